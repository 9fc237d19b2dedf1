// The commands of `rwku` with their flags, before one of them runs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "client/cli/session.h"

namespace rwku::cli {

// What `rwku local` must start before the command can run.
enum class Needs {
  kNothing,
  kServer,
  kRoots,    // a server that keeps to the folders of models and datasets that its runs belong to
  kWorkers,  // such a server, and workers
};

struct Command {
  Needs needs = Needs::kServer;
  // Values that --output takes here; the first is the default.
  std::vector<std::string> formats = {"table", "json"};
  // Does the work and returns the exit code.
  std::function<int(Session&)> run;
  // Flags that name a model and a dataset, where `rwku local` accepts folders; kept alive by `run`.
  std::string* model = nullptr;
  std::string* dataset = nullptr;
  // Said after the flags are parsed; may adjust `needs`. May be empty.
  std::function<Needs()> needs_now;
};

class CommandTree {
 public:
  // `defaults` are the global flags' values where the command line names none.
  explicit CommandTree(Globals defaults);
  CommandTree(const CommandTree&) = delete;
  CommandTree& operator=(const CommandTree&) = delete;

  // Adds a command; `examples` is printed at the end of its help, one a line.
  CLI::App* Add(const std::string& name, const std::string& description,
                const std::vector<std::string>& examples, const std::string& notes = "");
  // Says what `app` does. Call once for each Add.
  void Define(const CLI::App* app, Command command);

  CLI::App& app() { return app_; }
  Globals& globals() { return globals_; }

  // Parses `args` (without the program's name). The chosen command, or nullptr with `exit_code` set
  // after help or an error has been printed.
  const Command* Parse(const std::vector<std::string>& args, const Environment& environment,
                       int* exit_code);
  // The command line's remaining words, for `local`.
  std::vector<std::string> Remaining(const std::string& command) const;

 private:
  int PrintUsageError(const CLI::ParseError& error, const Environment& environment);

  Globals globals_;
  CLI::App app_;
  std::map<const CLI::App*, Command> commands_;
};

// One a command, each in its own file.
void AddSubmit(CommandTree& tree);
void AddCorpus(CommandTree& tree);
void AddStatus(CommandTree& tree);
void AddList(CommandTree& tree);
void AddWatch(CommandTree& tree);
void AddResults(CommandTree& tree);
void AddReport(CommandTree& tree);
void AddCompare(CommandTree& tree);
void AddRescore(CommandTree& tree);
void AddExport(CommandTree& tree);
void AddPredictions(CommandTree& tree);
void AddCancel(CommandTree& tree);
void AddDelete(CommandTree& tree);
void AddRetry(CommandTree& tree);
void AddJobs(CommandTree& tree);
void AddWorkers(CommandTree& tree);
void AddDrain(CommandTree& tree);
void AddTargets(CommandTree& tree);
void AddModels(CommandTree& tree);
void AddDatasets(CommandTree& tree);
void AddMethods(CommandTree& tree);
void AddServerInfo(CommandTree& tree);
void AddToken(CommandTree& tree);
void AddVersion(CommandTree& tree);
void AddCompletion(CommandTree& tree);
void AddLocal(CommandTree& tree);

// All of the above, in the order of the help text.
void AddAllCommands(CommandTree& tree);

}  // namespace rwku::cli
