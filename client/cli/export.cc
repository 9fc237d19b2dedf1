// rwku export: the tuned weights of a job, by running it once more.
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/format.h"

namespace rwku::cli {
namespace {

// An answer sets every field of a recipe; a request may set those that its method reads.
absl::StatusOr<v1::Recipe> AsRequested(client::Client& client, v1::Recipe recipe) {
  RWKU_ASSIGN_OR_RETURN(const std::vector<v1::Method> methods, client.ListMethods(""));
  std::set<std::string> kept = {"method", "tuning", "label"};
  for (const v1::Method& method : methods) {
    if (method.name() == recipe.method()) {
      kept.insert(method.settings().begin(), method.settings().end());
    }
  }
  const google::protobuf::Descriptor* type = v1::Recipe::GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    if (!kept.contains(type->field(i)->name())) {
      v1::Recipe::GetReflection()->ClearField(&recipe, type->field(i));
    }
  }
  return recipe;
}

// A run of this job alone that keeps its weights.
absl::StatusOr<v1::CreateRunRequest> MakeRequest(client::Client& client, const std::string& name) {
  RWKU_ASSIGN_OR_RETURN(const v1::Job job, client.GetJob(name));
  RWKU_ASSIGN_OR_RETURN(const v1::Run run, client.GetRun(name.substr(0, name.find("/jobs/"))));
  if (run.state() == v1::RUN_STATE_RUNNING) {
    return absl::FailedPreconditionError(absl::StrCat("run ", ShortName(run.name()),
                                                      " has not ended; its jobs cannot be exported "
                                                      "yet"));
  }
  v1::CreateRunRequest request;
  v1::RunSpec& spec = *request.mutable_spec();
  spec = run.spec();
  spec.clear_recipes();
  RWKU_ASSIGN_OR_RETURN(*spec.add_recipes(), AsRequested(client, job.recipe()));
  spec.clear_seeds();
  spec.add_seeds(job.seed());
  spec.clear_targets();
  spec.clear_groups();
  if (job.group_targets().empty()) {
    spec.add_targets(job.target());
  } else {
    v1::TargetGroup* group = spec.add_groups();
    group->set_name(job.target());
    *group->mutable_targets() = job.group_targets();
  }
  spec.set_export_weights(true);
  spec.set_display_name(absl::StrCat("export of ", ShortName(name)));
  return request;
}

int Export(Session& session, const std::string& typed, bool wait) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  const absl::StatusOr<v1::CreateRunRequest> request = MakeRequest(**client, JobResource(typed));
  if (!request.ok()) {
    return session.Fail(request.status());
  }
  absl::StatusOr<v1::Run> run = (*client)->CreateRun(*request);
  if (!run.ok()) {
    return session.Fail(run.status());
  }
  // Local workers end with the command: stay until the weights are there.
  if (wait || session.local()) {
    client::WatchOptions options;
    options.omit_progress = true;
    run = (*client)->WatchRun(run->name(), options, [](const v1::RunEvent&) {});
    if (!run.ok()) {
      return session.Fail(run.status());
    }
  }
  const auto jobs = (*client)->ListJobs(run->name());
  if (!jobs.ok()) {
    return session.Fail(jobs.status());
  }
  if (jobs->empty()) {
    return session.Fail(absl::NotFoundError(absl::StrCat(run->name(), " has no job")));
  }
  const v1::Job& job = jobs->front();
  if (session.json()) {
    session.PrintJson(job);
  } else if (job.state() == v1::JOB_STATE_SUCCEEDED) {
    session.out() << job.result().export_folder() << "\n";
  } else if (job.has_last_failure() && run->state() != v1::RUN_STATE_RUNNING) {
    session.err() << "job " << ShortName(job.name()) << ": " << FailureText(job.last_failure())
                  << "\n";
  } else {
    session.out() << "run " << ShortName(run->name()) << ": the weights will be in "
                  << ShortName(job.name()) << " below the worker's export root\n";
  }
  return run->state() == v1::RUN_STATE_RUNNING ? kExitDone : ExitCodeOf(run->state());
}

}  // namespace

void AddExport(CommandTree& tree) {
  CLI::App* app = tree.Add(
      "export", "Run a job of an ended run once more and keep its tuned weights or adapters",
      {"rwku export r0000000a/3 --wait", "rwku local export r0000000a/3"},
      "The weights lie below the export root of the worker that ran it (--export-root of\n"
      "rwku-worker; DATA/exports of rwku local), in the layout of the hub or of peft. The folder\n"
      "is printed.\n");
  struct Flags {
    std::string job;
    bool wait = false;
  };
  auto flags = std::make_shared<Flags>();
  app->add_option("JOB", flags->job, "RUN/JOB to export")->required();
  app->add_flag("--wait", flags->wait, "Wait for the weights (default in rwku local)");
  Command command;
  command.needs = Needs::kWorkers;
  command.run = [flags](Session& session) { return Export(session, flags->job, flags->wait); };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
