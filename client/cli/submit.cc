// rwku submit: describe a run, create it, and perhaps follow it.
#include <algorithm>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/format.h"
#include "client/cli/recipe_syntax.h"
#include "client/cli/sweep.h"
#include "client/cli/target_list.h"
#include "client/cli/watch.h"

namespace rwku::cli {
namespace {

struct SubmitFlags {
  std::string model;
  std::string dataset;
  std::vector<std::string> target_lists;
  std::vector<std::string> targets;
  std::vector<std::string> batches;
  std::vector<std::string> sequences;
  std::vector<std::string> methods;
  std::vector<std::string> sweeps;
  std::vector<std::string> sets;
  std::vector<std::string> seeds;
  int priority = 0;
  int max_failures = 0;
  int data_parallel = 0;
  bool shard_optimizer_state = false;
  bool optimizer_on_host = false;
  std::string name;
  std::string request_id;
  bool single_bos = false;
  bool stop_at_newline = false;
  bool evaluate_epochs = false;
  bool export_weights = false;
  bool wait = false;
  bool watch = false;
  bool detach = false;
  bool validate_only = false;
};

// One group a flag.
absl::Status AddGroups(const char* flag, const std::vector<std::string>& lists, v1::TargetMode mode,
                       v1::RunSpec& spec) {
  if (lists.empty()) {
    return absl::OkStatus();
  }
  if (spec.target_mode() != v1::TARGET_MODE_UNSPECIFIED || !spec.targets().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag,
                     ": a run has single targets, batches or sequences; name its targets by "
                     "--targets, --batch or --sequential, not by two of them"));
  }
  spec.set_target_mode(mode);
  for (const std::string& list : lists) {
    RWKU_ASSIGN_OR_RETURN(const std::vector<std::string> targets, ParseList(flag, list));
    spec.add_groups()->mutable_targets()->Add(targets.begin(), targets.end());
  }
  return absl::OkStatus();
}

// `client` is asked what the methods read, where there are sweeps.
absl::Status AddRecipes(const SubmitFlags& flags, client::Client& client, v1::RunSpec& spec) {
  std::vector<Sweep> sweeps;
  for (const std::string& text : flags.sweeps) {
    RWKU_ASSIGN_OR_RETURN(Sweep sweep, ParseSweep(text));
    sweeps.push_back(std::move(sweep));
  }
  std::vector<v1::Method> known;
  if (!sweeps.empty()) {
    RWKU_ASSIGN_OR_RETURN(known, client.ListMethods(""));
  }
  RWKU_ASSIGN_OR_RETURN(const std::vector<v1::Recipe> recipes,
                        ExpandSweeps(flags.methods, sweeps, known));
  spec.mutable_recipes()->Add(recipes.begin(), recipes.end());
  return absl::OkStatus();
}

absl::StatusOr<v1::CreateRunRequest> MakeRequest(const SubmitFlags& flags, client::Client& client) {
  v1::CreateRunRequest request;
  request.set_request_id(flags.request_id);
  request.set_validate_only(flags.validate_only);
  v1::RunSpec& spec = *request.mutable_spec();
  spec.set_model(flags.model);
  spec.set_dataset(flags.dataset);
  for (const std::string& list : flags.target_lists) {
    RWKU_ASSIGN_OR_RETURN(const std::vector<std::string> targets, ParseList("--targets", list));
    spec.mutable_targets()->Add(targets.begin(), targets.end());
  }
  spec.mutable_targets()->Add(flags.targets.begin(), flags.targets.end());
  RWKU_RETURN_IF_ERROR(AddGroups("--batch", flags.batches, v1::TARGET_MODE_BATCH, spec));
  RWKU_RETURN_IF_ERROR(
      AddGroups("--sequential", flags.sequences, v1::TARGET_MODE_SEQUENTIAL, spec));
  RWKU_RETURN_IF_ERROR(AddRecipes(flags, client, spec));
  spec.set_evaluate_epochs(flags.evaluate_epochs);
  spec.set_export_weights(flags.export_weights);
  for (const std::string& list : flags.sets) {
    RWKU_ASSIGN_OR_RETURN(const std::vector<std::string> sets, ParseList("--sets", list));
    spec.mutable_probe_sets()->Add(sets.begin(), sets.end());
  }
  for (const std::string& list : flags.seeds) {
    RWKU_ASSIGN_OR_RETURN(const std::vector<uint64_t> seeds, ParseSeeds(list));
    spec.mutable_seeds()->Add(seeds.begin(), seeds.end());
  }
  spec.set_priority(flags.priority);
  if (flags.max_failures != 0) {
    spec.set_max_failures(flags.max_failures);
  }
  if (flags.data_parallel != 0) {
    spec.set_data_parallel(flags.data_parallel);
  }
  spec.set_shard_optimizer_state(flags.shard_optimizer_state);
  spec.set_optimizer_on_host(flags.optimizer_on_host);
  spec.set_display_name(flags.name);
  spec.mutable_protocol()->set_single_bos(flags.single_bos);
  spec.mutable_protocol()->set_stop_at_newline(flags.stop_at_newline);
  return request;
}

// `rwku local` has the workers that it was told to start and never more.
absl::Status CheckLocalWorkers(const Session& session, int data_parallel) {
  if (!session.local() || session.local_workers() == 0 ||
      data_parallel <= session.local_workers()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--data-parallel: found ", data_parallel, ", but rwku local runs ",
                   session.local_workers(), session.local_workers() == 1 ? " worker" : " workers",
                   "; start more with rwku local --workers ", data_parallel));
}

// Says so if the jobs have to wait for workers that are not there yet.
void NoteMissingWorkers(const Session& session, client::Client& client, int data_parallel) {
  if (data_parallel <= 1 || session.local() || session.globals().quiet) {
    return;
  }
  const absl::StatusOr<std::vector<v1::Worker>> workers = client.ListWorkers();
  if (!workers.ok()) {
    return;  // the run is created all the same
  }
  std::map<std::string, int> by_kind;
  int most = 0;
  for (const v1::Worker& worker : *workers) {
    if (worker.devices().empty() || worker.state() == v1::WORKER_STATE_DISCONNECTED ||
        worker.state() == v1::WORKER_STATE_DRAINING) {
      continue;
    }
    const std::string& device = worker.devices(0).name();
    most = std::max(most, ++by_kind[device.substr(0, device.find(':'))]);
  }
  if (most < data_parallel) {
    session.err() << "note: each job needs " << data_parallel << " workers of one kind, " << most
                  << (most == 1 ? " is" : " are") << " connected: the jobs wait for more\n";
  }
}

void PrintCreated(const Session& session, const v1::Run& run, bool validate_only) {
  const int jobs = run.jobs().queued() + run.jobs().leased() + run.jobs().succeeded() +
                   run.jobs().failed() + run.jobs().cancelled();
  if (session.json()) {
    session.PrintJson(run);
  } else if (validate_only) {
    session.out() << "valid: " << jobs << " jobs\n";
  } else if (session.globals().quiet) {
    session.out() << ShortName(run.name()) << "\n";
  } else {
    session.out() << "run " << ShortName(run.name()) << ": " << jobs << " jobs\n" << std::flush;
  }
}

int Submit(Session& session, const SubmitFlags& flags) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  const absl::StatusOr<v1::CreateRunRequest> request = MakeRequest(flags, **client);
  if (!request.ok()) {
    return session.Fail(request.status());
  }
  const int data_parallel = request->spec().data_parallel();
  if (const absl::Status status = CheckLocalWorkers(session, data_parallel); !status.ok()) {
    return session.Fail(status);
  }
  const absl::StatusOr<v1::Run> run = (*client)->CreateRun(*request);
  if (!run.ok()) {
    return session.Fail(run.status());
  }
  NoteMissingWorkers(session, **client, data_parallel);
  const bool follow = flags.watch || flags.wait || (session.local() && !flags.detach);
  if (flags.validate_only || !follow) {
    PrintCreated(session, *run, flags.validate_only);
    return kExitDone;
  }
  if (!session.json() && !(flags.wait && !flags.watch)) {
    if (session.globals().quiet) {
      PrintCreated(session, *run, false);
    }
    return WatchToEnd(session, run->name());
  }
  // --wait, and JSON, which is one document: nothing is shown on the way.
  client::WatchOptions options;
  options.omit_progress = true;
  const absl::StatusOr<v1::Run> end =
      (*client)->WatchRun(run->name(), options, [](const v1::RunEvent&) {});
  if (!end.ok()) {
    if (session.env().interrupt->raised()) {
      session.err() << "run " << ShortName(run->name())
                    << " was submitted; watch it with: " << session.invocation() << " watch "
                    << ShortName(run->name()) << "\n";
    }
    return session.Fail(end.status());
  }
  PrintCreated(session, *end, false);
  return ExitCodeOf(end->state());
}

}  // namespace

void AddSubmit(CommandTree& tree) {
  CLI::App* app = tree.Add(
      "submit", "Create a run: model x dataset x targets x methods x seeds",
      {"rwku submit --model tiny --dataset rwku --targets 1-10 --method ga --method npo:lora",
       R"(rwku submit --model tiny --dataset rwku --targets '1-3,"King, Stephen"' --method icu)",
       "rwku submit --model tiny --dataset rwku --method ga:lora,lr=1e-5,label=gentle --watch",
       "rwku submit --model tiny --dataset rwku --method npo --sweep lr=1e-7,1e-6,1e-5",
       "rwku submit --model tiny --dataset rwku --batch 1-10 --batch 1-20 --method ga",
       "rwku submit --model tiny --dataset rwku --sequential 1-10 --method ga",
       "rwku submit --model tiny --dataset rwku --targets 1 --method ga --evaluate-epochs"},
      absl::StrCat(
          "Methods: NAME[:full|lora|partial][,key=value...]; what is left out takes the published "
          "default. Keys:\n",
          RecipeSyntaxHelp()));
  auto flags = std::make_shared<SubmitFlags>();
  const auto many = [app](const char* name, std::vector<std::string>& values, const char* help) {
    return app->add_option(name, values, help)->allow_extra_args(false);
  };
  app->add_option("--model", flags->model, "Name of the model")->required();
  app->add_option("--dataset", flags->dataset, "Name of the dataset")->required();
  many("--targets", flags->target_lists,
       "Targets by name, number or range, separated by commas (default: all)");
  many("--target", flags->targets, "One target by name, number or range; repeatable");
  many("--batch", flags->batches,
       "Targets to forget at once, as in --targets; repeatable: one job a method for each");
  many("--sequential", flags->sequences,
       "Targets to forget one after another without putting the weights back; repeatable");
  many("--method", flags->methods, "Method with its settings, see below; repeatable")->required();
  many("--sweep", flags->sweeps,
       "KEY=VALUE,VALUE...: every method that reads the key with each value; repeatable: with "
       "each combination");
  many("--sets", flags->sets, "Probe sets, separated by commas (default: all)");
  many("--seed", flags->seeds, "Seeds of the training order, e.g. 42 or 1-3 (default: 42)");
  app->add_option("--priority", flags->priority, "-100..100, higher runs first (default: 0)");
  app->add_option("--max-failures", flags->max_failures,
                  "Own failures after which a job fails, 1..20 (default: 3)")
      ->check(CLI::Range(1, 20));
  app->add_option("--data-parallel", flags->data_parallel,
                  "Workers that share each job, 1..64 (default: 1); batches stay as they are")
      ->check(CLI::Range(1, 64));
  app->add_flag("--shard-optimizer", flags->shard_optimizer_state,
                "With --data-parallel: each worker keeps its share of gradients and optimizer "
                "state (ZeRO-2)");
  app->add_flag("--optimizer-on-host", flags->optimizer_on_host,
                "Keep float32 weights and moments in the host's memory: less of a GPU's, slower");
  app->add_option("--name", flags->name, "A name for people");
  app->add_option("--request-id", flags->request_id,
                  "Submitting again with the same id makes no second run");
  app->add_flag("--stop-at-newline", flags->stop_at_newline,
                "End answers at the first line break, as the reference means to but does not");
  app->add_flag("--single-bos", flags->single_bos,
                "Start templated prompts with one BOS token, not the reference's two");
  app->add_flag("--evaluate-epochs", flags->evaluate_epochs,
                "Evaluate after every epoch, too, and stop a training whose model collapsed");
  app->add_flag("--export", flags->export_weights,
                "Keep the tuned weights or adapters below the worker's export root");
  app->add_flag("--watch", flags->watch, "Follow the run to its end (default in rwku local)");
  app->add_flag("--wait", flags->wait, "Wait for the run's end without showing progress");
  app->add_flag("--detach", flags->detach, "In rwku local: do not wait for the run");
  app->add_flag("--validate-only", flags->validate_only, "Check the request, create nothing");
  Command command;
  command.needs = Needs::kWorkers;
  command.needs_now = [flags] {
    return flags->validate_only ? Needs::kServer : flags->detach ? Needs::kRoots : Needs::kWorkers;
  };
  command.model = &flags->model;
  command.dataset = &flags->dataset;
  command.run = [flags](Session& session) { return Submit(session, *flags); };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
