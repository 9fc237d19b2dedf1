// rwku local: runs a command against a private server and workers that live as long as it does.
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/local/cluster.h"
#include "client/local/cores.h"
#include "client/local/roots.h"

namespace rwku::cli {
namespace {

namespace fs = std::filesystem;

struct LocalFlags {
  int workers = 0;  // 0 = one a GPU, or one CPU slot
  int threads = 0;  // 0 = the cores, shared among the workers
  std::string device;
  std::string data_dir = ".rwku";
  std::string models;
  std::string datasets;
};

// If `name` is an existing folder and no root was given, makes its parent the root and leaves the
// folder's own name.
void SplitFolder(std::string* name, std::string& root) {
  std::error_code error;
  if (name == nullptr || name->empty() || !root.empty() || !fs::is_directory(*name, error)) {
    return;
  }
  // Resolved, because a server takes no link that leads out of its root.
  const fs::path folder = fs::canonical(*name, error);
  if (!error && folder.has_filename()) {
    root = folder.parent_path().string();
    *name = folder.filename().string();
  }
}

// The root that the command is for: the one that was named, else the recorded one, else this
// folder. `lasting`: runs will be worked on with it.
std::string ChooseRoot(const std::string& named, const std::string* recorded, bool lasting) {
  if (!named.empty() || recorded == nullptr) {
    return local::CanonicalFolder(named.empty() ? "." : named);
  }
  std::error_code error;
  // What only looks at the store works without the folders, too.
  return lasting || fs::is_directory(*recorded, error) ? *recorded : "";
}

// The word as a shell takes it.
std::string Word(const std::string& text) {
  constexpr char kPlain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:=,+@%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) {
    return text;
  }
  std::string quoted = "'";
  for (const char c : text) {
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return quoted + "'";
}

std::string Invocation(const LocalFlags& flags) {
  std::string text = "rwku local";
  const auto add = [&text](const char* flag, const std::string& value) {
    absl::StrAppend(&text, " ", flag, " ", Word(value));
  };
  if (flags.data_dir != LocalFlags().data_dir) {
    add("--data-dir", flags.data_dir);
  }
  if (!flags.models.empty()) {
    add("--models", flags.models);
  }
  if (!flags.datasets.empty()) {
    add("--datasets", flags.datasets);
  }
  if (flags.workers > 0) {
    add("--workers", absl::StrCat(flags.workers));
  }
  if (flags.threads > 0) {
    add("--threads", absl::StrCat(flags.threads));
  }
  if (!flags.device.empty()) {
    add("--device", flags.device);
  }
  return text;
}

int Local(Session& outer, const std::vector<std::string>& args, LocalFlags flags) {
  CommandTree tree(outer.globals());
  AddAllCommands(tree);
  int exit_code = kExitDone;
  const Command* command = tree.Parse(args, outer.env(), &exit_code);
  if (command == nullptr) {
    return exit_code;
  }
  if (tree.app().get_subcommands().front()->get_name() == "local") {
    outer.err() << "error: local inside local\n";
    return kExitUsage;
  }
  const Needs needs = command->needs_now ? command->needs_now() : command->needs;
  if (needs == Needs::kNothing) {
    Session session(outer.env(), tree.globals());
    return command->run(session);
  }
  SplitFolder(command->model, flags.models);
  SplitFolder(command->dataset, flags.datasets);

  const absl::StatusOr<std::optional<local::Roots>> recorded = local::ReadRoots(flags.data_dir);
  if (!recorded.ok()) {
    return outer.Fail(recorded.status());
  }
  const bool lasting = needs == Needs::kRoots || needs == Needs::kWorkers;
  const local::Roots roots = {
      ChooseRoot(flags.models, *recorded ? &(*recorded)->models : nullptr, lasting),
      ChooseRoot(flags.datasets, *recorded ? &(*recorded)->datasets : nullptr, lasting)};

  local::ClusterOptions options;
  options.executable = outer.env().executable;
  options.server_binary = outer.env().variable("RWKU_SERVER_BINARY").value_or("");
  options.worker_binary = outer.env().variable("RWKU_WORKER_BINARY").value_or("");
  options.data_dir = flags.data_dir;
  options.models = roots.models;
  options.datasets = roots.datasets;
  if (lasting) {
    options.on_serving = [&](client::Client& client) {
      return local::ClaimRoots(flags.data_dir, roots, client);
    };
  }
  options.workers = flags.workers;
  options.with_workers = needs == Needs::kWorkers;
  options.threads = flags.threads;
  options.cores = local::UsableCores();
  options.device = flags.device;
  options.clock = outer.env().clock;
  options.stop_asked = [interrupt = outer.env().interrupt] { return interrupt->raised(); };
  // From here on Ctrl-C must not end the process before its children have ended.
  outer.env().interrupt->SetHandler([] {});
  absl::StatusOr<std::unique_ptr<local::Cluster>> cluster = local::Cluster::Start(options);
  if (!cluster.ok()) {
    return outer.Fail(cluster.status());
  }
  Globals globals = tree.globals();
  if (options.with_workers && !globals.quiet) {
    const auto counted = [](int count, const char* thing) {
      return absl::StrCat(count, " ", thing, count == 1 ? "" : "s");
    };
    outer.err() << "local: " << counted((*cluster)->workers(), "worker") << " with "
                << counted((*cluster)->threads(), "thread")
                << ((*cluster)->workers() == 1 ? "" : " each") << ", on "
                << counted(options.cores, "core") << "\n";
  }
  globals.server = (*cluster)->address();
  globals.security = {};  // it is private, on loopback
  {
    // The command ends by Ctrl-C, and as if by it when its processes are gone.
    Interrupt inner;
    Environment environment = outer.env();
    environment.interrupt = &inner;
    outer.env().interrupt->SetHandler([&inner] { inner.Raise(); });
    const local::Watchdog watchdog(**cluster, [&inner] { inner.Raise(); });
    Session session(environment, globals);
    session.SetLocal(Invocation(flags), (*cluster)->workers());
    exit_code = command->run(session);
    inner.SetHandler(nullptr);
    outer.env().interrupt->SetHandler([] {});
  }
  const absl::Status health = (*cluster)->Check();
  (*cluster)->Stop();
  outer.env().interrupt->SetHandler(nullptr);
  // A command that lost its server says less than the server's own last words.
  if (exit_code != kExitDone && !health.ok() && !outer.env().interrupt->raised()) {
    const int health_code = outer.Fail(health);
    return exit_code == kExitInterrupted ? health_code : exit_code;
  }
  return exit_code;
}

}  // namespace

void AddLocal(CommandTree& tree) {
  CLI::App* app = tree.Add(
      "local", "Run a command against a private server and workers on this machine",
      {"rwku local submit --model ./tiny --dataset ./rwku --targets 1-3 --method ga",
       "rwku local --workers 2 --data-dir work submit --model tiny --dataset rwku --method npo",
       "rwku local results r0000000a"},
      "rwku local [OPTIONS] COMMAND ...: options of local come before the command, the command's "
      "own after it.\n"
      "Data and logs stay in the data folder; a run that was interrupted goes on at the next\n"
      "`rwku local watch RUN`. --model and --dataset also take paths of folders; submit waits for "
      "the run.\n"
      "The data folder remembers the folders of models and datasets that its runs belong to.\n");
  app->fallthrough(false);
  app->prefix_command();
  auto flags = std::make_shared<LocalFlags>();
  app->add_option("--workers", flags->workers,
                  "Workers to start: jobs at work at once (default: one a GPU, else one)")
      ->check(CLI::Range(1, 64));
  app->add_option("--threads", flags->threads,
                  "CPU threads of one worker (default: the cores, shared among the workers)")
      ->check(CLI::Range(1, 1024));
  app->add_option("--device", flags->device,
                  "Device of every worker: cpu or cuda:N (default: the GPUs in turn, else cpu)");
  app->add_option("--data-dir", flags->data_dir, "Folder of data and logs")->capture_default_str();
  app->add_option("--models", flags->models,
                  "Folder of models (default: the folder that --model lies in, the "
                  "data folder's, or .)");
  app->add_option("--datasets", flags->datasets,
                  "Folder of datasets (default: the folder that --dataset lies in, the "
                  "data folder's, or .)");
  Command command;
  command.needs = Needs::kNothing;
  command.run = [flags, &tree](Session& session) {
    const std::vector<std::string> rest = tree.Remaining("local");
    if (rest.empty()) {
      session.err() << "error: local needs a command\nRun `rwku local --help` for usage.\n";
      return kExitUsage;
    }
    return Local(session, rest, *flags);
  };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
