// rwku jobs and retry: the jobs of a run.
#include <ostream>

#include "absl/strings/str_cat.h"

#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/format.h"
#include "client/cli/recipe_syntax.h"
#include "client/cli/table.h"
#include "client/cli/watch.h"

namespace rwku::cli {
namespace {

// "w0" or, of a gang, "w0 +1": rank 0 and how many share the job with it.
std::string WorkerText(const v1::Job& job) {
  std::string text(ShortName(job.worker()));
  if (job.gang_size() > 1) {
    absl::StrAppend(&text, " +", job.gang_size() - 1);
  }
  return text;
}

std::string Took(const v1::Job& job) {
  return job.has_start_time() && job.has_end_time()
             ? cli::FormatDuration(ToTime(job.end_time()) - ToTime(job.start_time()))
             : "";
}

int Jobs(Session& session, const std::string& run) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  const auto jobs = (*client)->ListJobs(RunResource(run));
  if (!jobs.ok()) {
    return session.Fail(jobs.status());
  }
  if (session.json()) {
    v1::ListJobsResponse all;
    all.mutable_jobs()->Add(jobs->begin(), jobs->end());
    session.PrintJson(all);
    return kExitDone;
  }
  TextTable table({"JOB", "TARGET", "METHOD", ">SEED", "STATE", ">ATTEMPTS", "WORKER", ">TOOK",
                   "LAST FAILURE"});
  for (const v1::Job& job : *jobs) {
    table.AddRow({ShortName(job.name()), job.target(), RecipeName(job.recipe()),
                  absl::StrCat(job.seed()), StateName(job.state()), absl::StrCat(job.attempts()),
                  WorkerText(job), Took(job),
                  job.has_last_failure() ? FailureText(job.last_failure()) : ""});
  }
  session.out() << table.Render(session.table_width());
  return kExitDone;
}

int Retry(Session& session, const std::string& typed) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  const std::string name = JobResource(typed);
  std::vector<std::string> jobs = {name};
  const std::string run = RunResource(name.substr(0, name.find("/jobs/")));
  if (name == run) {  // every failed job of the run
    const auto failed = (*client)->ListJobs(run, {v1::JOB_STATE_FAILED});
    if (!failed.ok()) {
      return session.Fail(failed.status());
    }
    jobs.clear();
    for (const v1::Job& job : *failed) {
      jobs.push_back(job.name());
    }
  }
  v1::ListJobsResponse queued;
  for (const std::string& job : jobs) {
    const absl::StatusOr<v1::Job> answer = (*client)->RetryJob(job);
    if (!answer.ok()) {
      return session.Fail(answer.status());
    }
    *queued.add_jobs() = *answer;
    if (!session.json() && !session.globals().quiet) {
      session.out() << "job " << ShortName(job) << ": " << StateName(answer->state()) << "\n";
    }
  }
  if (session.json()) {
    session.PrintJson(queued);
    return kExitDone;
  }
  if (jobs.empty() && !session.globals().quiet) {
    session.out() << "run " << ShortName(run) << ": no failed job\n";
  }
  // The workers of local mode end with the command: stay until the jobs are done.
  return session.local() && !jobs.empty() ? WatchToEnd(session, run) : kExitDone;
}

}  // namespace

void AddJobs(CommandTree& tree) {
  CLI::App* app = tree.Add("jobs", "List the jobs of a run",
                           {"rwku jobs r0000000a", "rwku jobs r0000000a -o json"});
  auto run = std::make_shared<std::string>();
  app->add_option("RUN", *run, "Run whose jobs to list")->required();
  Command command;
  command.run = [run](Session& session) { return Jobs(session, *run); };
  tree.Define(app, std::move(command));
}

void AddRetry(CommandTree& tree) {
  CLI::App* app = tree.Add("retry", "Queue failed jobs again",
                           {"rwku retry r0000000a/3", "rwku retry r0000000a"});
  auto job = std::make_shared<std::string>();
  app->add_option("JOB", *job, "RUN/JOB, or RUN for every failed job of it")->required();
  Command command;
  command.needs = Needs::kWorkers;
  command.run = [job](Session& session) { return Retry(session, *job); };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
