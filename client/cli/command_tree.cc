#include "client/cli/command_tree.h"

#include <algorithm>
#include <ostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "base/check.h"
#include "base/near_match.h"
#include "client/cli/exit_code.h"
#include "net/protocol_version.h"

namespace rwku::cli {

CommandTree::CommandTree(Globals defaults)
    : globals_(std::move(defaults)),
      app_(
          "Measure how well a language model forgets: submit runs to an rwku server, watch them, "
          "read the tables.",
          "rwku") {
  app_.require_subcommand(1);
  app_.set_version_flag("--version", std::string(net::BinaryVersion()), "Print the version");
  app_.add_option("--server", globals_.server, "Address of the server, host:port")
      ->envname("RWKU_SERVER")
      ->capture_default_str();
  app_.add_option("--tls-ca", globals_.security.tls_ca,
                  "Certificates in PEM that vouch for the server's; switches TLS on")
      ->envname("RWKU_TLS_CA");
  app_.add_option("--tls-server-name", globals_.security.tls_server_name,
                  "Name in the server's certificate (default: the host of --server)")
      ->envname("RWKU_TLS_SERVER_NAME");
  app_.add_option("--token-file", globals_.security.token_file,
                  "File with your token (RWKU_TOKEN may hold the token itself)")
      ->envname("RWKU_TOKEN_FILE");
  app_.add_option("--timeout", globals_.timeout, "Longest time of one call, e.g. 30s or 2m")
      ->capture_default_str();
  app_.add_option("-o,--output", globals_.output,
                  "Format: table, json (csv and jsonl where a command says so)")
      ->capture_default_str();
  app_.add_flag("-q,--quiet", globals_.quiet, "Print only what was asked for");
  app_.add_flag("--no-color", globals_.no_color, "No colors (NO_COLOR does the same)");
  app_.footer(
      "\nExamples:\n"
      "  rwku submit --model tiny --dataset rwku --targets 1-10 --method ga --method npo:lora "
      "--watch\n"
      "  rwku results r0000000a --output csv > table.csv\n"
      "  rwku local --workers 2 submit --model ./tiny --dataset ./rwku --method ga\n"
      "\nExit codes: 0 done, 1 the run failed, 2 wrong usage or argument, 3 cannot reach the "
      "server.\n");
}

CLI::App* CommandTree::Add(const std::string& name, const std::string& description,
                           const std::vector<std::string>& examples, const std::string& notes) {
  CLI::App* command = app_.add_subcommand(name, description);
  command->fallthrough();
  std::string footer = notes.empty() ? "" : absl::StrCat("\n", notes);
  absl::StrAppend(&footer, "\nExamples:\n  ", absl::StrJoin(examples, "\n  "), "\n");
  command->footer(footer);
  return command;
}

void CommandTree::Define(const CLI::App* app, Command command) {
  commands_[app] = std::move(command);
}

const Command* CommandTree::Parse(const std::vector<std::string>& args,
                                  const Environment& environment, int* exit_code) {
  if (args.empty()) {
    *environment.err << app_.help();
    *exit_code = kExitUsage;
    return nullptr;
  }
  try {
    std::vector<std::string> reversed(args.rbegin(), args.rend());
    app_.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    *exit_code = PrintUsageError(error, environment);
    return nullptr;
  }
  const CLI::App* chosen = app_.get_subcommands().front();
  const Command& command = commands_.at(chosen);
  const auto format = std::find(command.formats.begin(), command.formats.end(), globals_.output);
  if (chosen->get_name() != "local" && format == command.formats.end()) {
    *environment.err << "error: --output \"" << globals_.output << "\" is not a format of `rwku "
                     << chosen->get_name() << "`; allowed: " << absl::StrJoin(command.formats, ", ")
                     << "\n";
    *exit_code = kExitUsage;
    return nullptr;
  }
  return &command;
}

std::vector<std::string> CommandTree::Remaining(const std::string& command) const {
  return app_.get_subcommand(command)->remaining();
}

int CommandTree::PrintUsageError(const CLI::ParseError& error, const Environment& environment) {
  if (error.get_exit_code() == 0) {  // help or version was asked for
    app_.exit(error, *environment.out, *environment.err);
    return kExitDone;
  }
  const std::vector<CLI::App*> chosen = app_.get_subcommands();
  std::string message = error.what();
  std::string help = "rwku --help";
  if (!chosen.empty()) {
    help = absl::StrCat("rwku ", chosen.front()->get_name(), " --help");
  } else if (const std::vector<std::string> extras = app_.remaining();
             !extras.empty() && extras.front().rfind('-', 0) != 0) {
    std::vector<std::string> names;
    for (const CLI::App* command : app_.get_subcommands({})) {
      names.push_back(command->get_name());
    }
    message = UnknownNameMessage("command", extras.front(), names);
  }
  *environment.err << "error: " << message << "\nRun `" << help << "` for usage.\n";
  return kExitUsage;
}

void AddAllCommands(CommandTree& tree) {
  AddSubmit(tree);
  AddCorpus(tree);
  AddStatus(tree);
  AddList(tree);
  AddWatch(tree);
  AddResults(tree);
  AddReport(tree);
  AddCompare(tree);
  AddRescore(tree);
  AddExport(tree);
  AddPredictions(tree);
  AddCancel(tree);
  AddDelete(tree);
  AddRetry(tree);
  AddJobs(tree);
  AddWorkers(tree);
  AddDrain(tree);
  AddTargets(tree);
  AddModels(tree);
  AddDatasets(tree);
  AddMethods(tree);
  AddServerInfo(tree);
  AddToken(tree);
  AddVersion(tree);
  AddLocal(tree);
  AddCompletion(tree);
}

}  // namespace rwku::cli
