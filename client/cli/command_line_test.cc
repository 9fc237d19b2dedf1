// Whole commands against a scripted server in the same process.
#include "client/cli/command_line.h"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rwku/v1/unlearning.grpc.pb.h"

#include "base/clock.h"
#include "base/file.h"
#include "net/protocol_version.h"
#include "net/server.h"
#include "net/status.h"
#include "tests/testing/free_port.h"

namespace rwku::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

v1::Run TestRun(v1::RunState state) {
  v1::Run run;
  run.set_name("runs/r1");
  run.mutable_spec()->set_model("tiny");
  run.mutable_spec()->set_dataset("people");
  run.mutable_spec()->add_recipes()->set_label("ga-full");
  run.set_state(state);
  run.mutable_jobs()->set_succeeded(state == v1::RUN_STATE_SUCCEEDED ? 2 : 1);
  run.mutable_jobs()->set_queued(state == v1::RUN_STATE_SUCCEEDED ? 0 : 1);
  return run;
}

v1::Job TestJob(int number, v1::JobState state) {
  v1::Job job;
  job.set_name(absl::StrCat("runs/r1/jobs/", number));
  job.set_target("Ann Example");
  job.mutable_recipe()->set_method("ga");
  job.mutable_recipe()->set_tuning(v1::TUNING_KIND_FULL);
  job.set_seed(42);
  job.set_state(state);
  job.set_attempts(1);
  if (state == v1::JOB_STATE_SUCCEEDED) {
    job.set_worker("workers/gpu0");
    job.mutable_start_time()->set_seconds(100);
    job.mutable_end_time()->set_seconds(165);
  }
  if (state == v1::JOB_STATE_FAILED) {
    job.mutable_last_failure()->set_failure_class(v1::FAILURE_CLASS_NUMERIC);
    job.mutable_last_failure()->set_message("loss is NaN at step 3");
  }
  return job;
}

v1::Worker TestWorker(v1::WorkerState state) {
  v1::Worker worker;
  worker.set_name("workers/gpu0");
  worker.set_state(state);
  worker.add_devices()->set_name("cuda:0");
  worker.mutable_devices(0)->set_memory_bytes(uint64_t{80} << 30);
  worker.set_version("0.1.0");
  worker.set_resident_model("tiny");
  worker.set_job("runs/r1/jobs/1");
  worker.mutable_last_heartbeat_time()->set_seconds(1000000000);
  worker.set_completed_jobs(7);
  worker.set_failed_attempts(1);
  return worker;
}

// Answers what the tests script; one instance a server.
class ScriptedService final : public v1::UnlearningService::Service {
 public:
  grpc::Status CreateRun(grpc::ServerContext* context, const v1::CreateRunRequest* request,
                         v1::Run* run) override {
    created = *request;
    if (request->spec().model() != "tiny") {
      return net::ToGrpcStatus(
          net::InvalidFields({{"spec.model", "unknown model"}, {"spec.dataset", "unknown"}}),
          context);
    }
    *run = TestRun(v1::RUN_STATE_RUNNING);
    return grpc::Status::OK;
  }
  grpc::Status GetRun(grpc::ServerContext* /*context*/, const v1::GetRunRequest* request,
                      v1::Run* run) override {
    if (request->name() != "runs/r1") {
      return {grpc::StatusCode::NOT_FOUND, absl::StrCat("no run \"", request->name(), "\"")};
    }
    *run = TestRun(v1::RUN_STATE_RUNNING);
    return grpc::Status::OK;
  }
  grpc::Status ListRuns(grpc::ServerContext* /*context*/, const v1::ListRunsRequest* request,
                        v1::ListRunsResponse* response) override {
    // Two pages of one run.
    *response->add_runs() = TestRun(v1::RUN_STATE_RUNNING);
    if (request->page_token().empty()) {
      response->set_next_page_token("2");
    }
    return grpc::Status::OK;
  }
  grpc::Status WatchRun(grpc::ServerContext* /*context*/, const v1::WatchRunRequest* request,
                        grpc::ServerWriter<v1::RunEvent>* writer) override {
    watched_after = request->after_revision();
    for (const v1::RunEvent& event : events) {
      writer->Write(event);
    }
    if (hold) {
      if (!sent.HasBeenNotified()) {  // a watcher may come back before the server is gone
        sent.Notify();
      }
      released.WaitForNotification();
      return {grpc::StatusCode::UNAVAILABLE, "going down"};
    }
    return grpc::Status::OK;
  }
  grpc::Status GetReport(grpc::ServerContext* /*context*/, const v1::GetReportRequest* request,
                         v1::GetReportResponse* response) override {
    v1::ReportColumn& column = *response->mutable_table()->add_columns();
    column.set_key("forget_fb");
    column.set_title("FB");
    column.set_group("Forget");
    v1::ReportRow& row = *response->mutable_table()->add_rows();
    row.set_label("ga-full");
    row.set_run("runs/r1");
    row.set_jobs(1);
    row.set_jobs_succeeded(1);
    v1::ReportCell& cell = *row.add_cells();
    cell.set_value(12.5);
    cell.set_count(3);
    cell.set_targets(1);
    if (request->details()) {
      response->mutable_report()->set_title("RWKU");
      *response->mutable_report()->add_tables() = response->table();
      response->mutable_report()->mutable_tables(0)->set_key("main");
    }
    return grpc::Status::OK;
  }
  grpc::Status CompareRuns(grpc::ServerContext* /*context*/, const v1::CompareRunsRequest* request,
                           v1::CompareRunsResponse* response) override {
    compared = *request;
    v1::Comparison& comparison = *response->add_comparisons();
    comparison.set_base("ga");
    comparison.set_other("npo");
    comparison.add_columns()->set_key("forget_fb");
    v1::ComparisonCell& cell = *comparison.add_cells();
    cell.set_base(10);
    cell.set_other(32.5);
    cell.set_difference(22.5);
    cell.set_targets(3);
    return grpc::Status::OK;
  }
  grpc::Status RescoreRun(grpc::ServerContext* /*context*/, const v1::RescoreRunRequest* request,
                          v1::RescoreRunResponse* response) override {
    EXPECT_EQ(request->name(), "runs/r1");
    response->set_metrics_version(7);
    response->set_jobs_changed(2);
    response->set_predictions(30);
    return grpc::Status::OK;
  }
  grpc::Status GetServerInfo(grpc::ServerContext* /*context*/,
                             const v1::GetServerInfoRequest* /*request*/,
                             v1::ServerInfo* info) override {
    info->set_version("9.9.0");
    std::error_code error;
    const auto bytes = std::filesystem::file_size(worker_pid_file, error);
    info->set_connected_workers(!error && bytes > 0 ? 1 : 0);
    return grpc::Status::OK;
  }
  grpc::Status ListPredictions(grpc::ServerContext* /*context*/,
                               const v1::ListPredictionsRequest* request,
                               v1::ListPredictionsResponse* response) override {
    v1::PredictionRow& row = *response->add_predictions();
    row.set_job(request->parent() + "/jobs/0");
    row.set_recipe("ga-full");
    row.mutable_prediction()->set_target("Ann");
    row.mutable_prediction()->set_probe_set("forget_level1");
    row.mutable_prediction()->set_output("a\nb");
    return grpc::Status::OK;
  }

  grpc::Status CancelRun(grpc::ServerContext* /*context*/, const v1::CancelRunRequest* /*request*/,
                         v1::Run* run) override {
    *run = TestRun(v1::RUN_STATE_CANCELLED);
    return grpc::Status::OK;
  }
  grpc::Status ListJobs(grpc::ServerContext* /*context*/, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override {
    if (request->states_size() == 0) {
      *response->add_jobs() = TestJob(0, v1::JOB_STATE_SUCCEEDED);
    }
    *response->add_jobs() = TestJob(1, v1::JOB_STATE_FAILED);
    return grpc::Status::OK;
  }
  grpc::Status RetryJob(grpc::ServerContext* /*context*/, const v1::RetryJobRequest* request,
                        v1::Job* job) override {
    *job = TestJob(1, v1::JOB_STATE_QUEUED);
    job->set_name(request->name());
    return grpc::Status::OK;
  }
  grpc::Status ListWorkers(grpc::ServerContext* /*context*/,
                           const v1::ListWorkersRequest* /*request*/,
                           v1::ListWorkersResponse* response) override {
    *response->add_workers() = TestWorker(v1::WORKER_STATE_BUSY);
    return grpc::Status::OK;
  }
  grpc::Status DrainWorker(grpc::ServerContext* /*context*/,
                           const v1::DrainWorkerRequest* /*request*/, v1::Worker* worker) override {
    *worker = TestWorker(v1::WORKER_STATE_DRAINING);
    return grpc::Status::OK;
  }
  grpc::Status ListTargets(grpc::ServerContext* /*context*/,
                           const v1::ListTargetsRequest* /*request*/,
                           v1::ListTargetsResponse* response) override {
    v1::Target& target = *response->add_targets();
    target.set_number(12);
    target.set_name("King, Stephen");
    target.set_intro("Writes\nnovels.");
    target.add_corpora("positive");
    target.add_corpora("negative");
    target.add_probe_sets("forget_level1");
    return grpc::Status::OK;
  }
  grpc::Status ListModels(grpc::ServerContext* /*context*/,
                          const v1::ListModelsRequest* /*request*/,
                          v1::ListModelsResponse* response) override {
    response->add_models()->set_name("tiny");
    response->mutable_models(0)->set_family("llama");
    response->add_models()->set_name("torn");
    response->mutable_models(1)->set_problem("config.json is missing");
    return grpc::Status::OK;
  }
  grpc::Status ListDatasets(grpc::ServerContext* /*context*/,
                            const v1::ListDatasetsRequest* /*request*/,
                            v1::ListDatasetsResponse* response) override {
    response->add_datasets()->set_name("people");
    response->mutable_datasets(0)->set_layout("target");
    response->mutable_datasets(0)->set_target_count(200);
    return grpc::Status::OK;
  }
  grpc::Status ListMethods(grpc::ServerContext* /*context*/,
                           const v1::ListMethodsRequest* /*request*/,
                           v1::ListMethodsResponse* response) override {
    response->add_methods()->set_name("original");
    response->mutable_methods(0)->set_summary("The model as it is.");
    v1::Method& ga = *response->add_methods();
    ga.set_name("ga");
    ga.set_summary("Gradient ascent.");
    ga.set_formula("minimise -NLL");
    ga.set_corpus("positive");
    for (const v1::TuningKind tuning : {v1::TUNING_KIND_FULL, v1::TUNING_KIND_LORA}) {
      v1::Recipe& recipe = *ga.add_defaults();
      recipe.set_method("ga");
      recipe.set_tuning(tuning);
      recipe.set_learning_rate(6e-8);
      recipe.set_epochs(3);
    }
    return grpc::Status::OK;
  }

  v1::CreateRunRequest created;
  v1::CompareRunsRequest compared;
  std::vector<v1::RunEvent> events;
  uint64_t watched_after = 0;
  bool hold = false;
  std::filesystem::path worker_pid_file;  // holds something once the worker is there
  absl::Notification sent;
  absl::Notification released;
};

v1::RunEvent RunEventAt(uint64_t revision, v1::RunState state) {
  v1::RunEvent event;
  event.set_revision(revision);
  *event.mutable_run() = TestRun(state);
  return event;
}

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

using Variables = std::map<std::string, std::string>;

Outcome RunAt(const std::string& address, std::vector<std::string> args,
              const Variables& variables = {}) {
  const RealClock clock;
  Interrupt interrupt;
  std::ostringstream out;
  std::ostringstream err;
  Environment environment;
  environment.out = &out;
  environment.err = &err;
  environment.clock = &clock;
  environment.interrupt = &interrupt;
  environment.zone = absl::UTCTimeZone();
  environment.variable = [&variables](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
  environment.retry_window = absl::Milliseconds(50);
  environment.first_backoff = absl::Milliseconds(1);
  args.insert(args.begin(), {"--server", address});
  Outcome outcome;
  outcome.code = RunCommandLine(args, environment);
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

class CommandLineTest : public ::testing::Test {
 protected:
  CommandLineTest() : server_(*net::Server::Start({}, {&service_})) {}
  Outcome Run(std::vector<std::string> args) { return RunAt(server_->address(), std::move(args)); }

  ScriptedService service_;
  std::unique_ptr<net::Server> server_;
};

TEST_F(CommandLineTest, StatusShowsARun) {
  const Outcome outcome = Run({"status", "r1"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out,
            "run         r1\n"
            "state       running\n"
            "jobs        1 of 2 done: 1 succeeded, 0 failed, 0 cancelled, 0 running, 1 queued\n"
            "model       tiny\n"
            "dataset     people\n"
            "methods     ga-full\n");
}

TEST_F(CommandLineTest, ListGathersPages) {
  const Outcome outcome = Run({"list"});
  EXPECT_EQ(outcome.out,
            "RUN  STATE    DONE  FAILED  MODEL  DATASET  CREATED  METHODS\n"
            "r1   running   1/2       0  tiny   people   -        ga-full\n"
            "r1   running   1/2       0  tiny   people   -        ga-full\n");
}

TEST_F(CommandLineTest, JsonHasTheNamesOfTheProto) {
  EXPECT_THAT(Run({"status", "r1", "-o", "json"}).out,
              AllOf(HasSubstr("\"state\": \"RUN_STATE_RUNNING\""), HasSubstr("\"display_name\"")));
}

TEST_F(CommandLineTest, UnknownRunIsAUsageError) {
  const Outcome outcome = Run({"status", "r9"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err, "error: no run \"runs/r9\"\n");
  EXPECT_EQ(outcome.out, "");
}

TEST_F(CommandLineTest, ResultsComeInEveryFormat) {
  EXPECT_THAT(Run({"results", "r1"}).out, AllOf(HasSubstr("ga-full"), HasSubstr("12.5")));
  EXPECT_THAT(Run({"results", "r1", "--output", "csv"}).out, HasSubstr("ga-full,runs/r1,1,1,12.5"));
  EXPECT_THAT(Run({"results", "r1", "--output", "json"}).out, HasSubstr("\"forget_fb\""));
}

TEST_F(CommandLineTest, AReportComesInEveryFormatAndGoesIntoAFile) {
  EXPECT_THAT(Run({"report", "r1"}).out, AllOf(HasSubstr("ga-full"), HasSubstr("12.5")));
  EXPECT_THAT(Run({"report", "r1", "-o", "csv"}).out, HasSubstr("main,ga-full,runs/r1"));
  EXPECT_THAT(Run({"report", "r1", "-o", "json"}).out, HasSubstr("\"tables\""));
  EXPECT_THAT(Run({"report", "r1", "-o", "markdown"}).out, HasSubstr("| ga-full"));
  EXPECT_THAT(Run({"report", "r1", "-o", "latex"}).out, HasSubstr("\\toprule"));
  const std::string file = ::testing::TempDir() + "report_" + std::to_string(getpid()) + ".html";
  const Outcome outcome = Run({"report", "r1", "-o", "html", "--file", file});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr(file));
  EXPECT_THAT(ReadFile(file).value_or(""), HasSubstr("<!doctype html>"));
  std::remove(file.c_str());
  EXPECT_EQ(Run({"report", "r1", "-o", "html", "--file", "/nowhere/report.html"}).code, 2);
}

TEST_F(CommandLineTest, TwoRunsOrTwoRecipesAreCompared) {
  EXPECT_THAT(Run({"compare", "r1", "r2"}).out, HasSubstr("22.5"));
  EXPECT_EQ(service_.compared.other(), "runs/r2");
  EXPECT_EQ(service_.compared.base_recipe(), "");
  EXPECT_THAT(Run({"compare", "r1", "--recipes", "ga", "npo", "-o", "json"}).out,
              HasSubstr("\"comparisons\""));
  EXPECT_EQ(service_.compared.other(), "runs/r1");
  EXPECT_EQ(service_.compared.base_recipe(), "ga");
  EXPECT_EQ(service_.compared.other_recipe(), "npo");
  EXPECT_EQ(Run({"compare", "r1", "--recipes", "ga"}).code, 2);
}

TEST_F(CommandLineTest, RescoringSaysWhatItDid) {
  EXPECT_THAT(Run({"rescore", "r1"}).out,
              HasSubstr("r1: 30 predictions scored with metric version 7; 2 jobs changed"));
}

TEST_F(CommandLineTest, PredictionsAreOneLineEach) {
  EXPECT_THAT(Run({"predictions", "r1"}).out, HasSubstr("a b"));
  EXPECT_THAT(Run({"predictions", "r1", "-o", "jsonl"}).out, HasSubstr("\"output\":\"a\\nb\""));
}

TEST_F(CommandLineTest, SubmitSendsWhatTheFlagsSay) {
  const Outcome outcome = Run({"submit",
                               "--model",
                               "tiny",
                               "--dataset",
                               "people",
                               "--targets",
                               "1-2,\"A, B\"",
                               "--target",
                               "C, D",
                               "--method",
                               "ga",
                               "--method",
                               "npo:lora,lr=1e-4",
                               "--seed",
                               "1-2",
                               "--sets",
                               "forget_level1",
                               "--priority",
                               "-5",
                               "--name",
                               "x"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "run r1: 2 jobs\n");
  const v1::RunSpec& spec = service_.created.spec();
  EXPECT_THAT(spec.targets(), ::testing::ElementsAre("1-2", "A, B", "C, D"));
  EXPECT_EQ(spec.recipes(1).learning_rate(), 1e-4);
  EXPECT_THAT(spec.seeds(), ::testing::ElementsAre(1, 2));
  EXPECT_EQ(spec.priority(), -5);
  EXPECT_EQ(service_.created.request_id().size(), 32);
}

TEST_F(CommandLineTest, SubmitSendsGroupsOfTargets) {
  const Outcome outcome =
      Run({"submit", "--model", "tiny", "--dataset", "people", "--batch", "1-2", "--batch",
           "1,\"A, B\"", "--method", "ga", "--evaluate-epochs", "--export"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const v1::RunSpec& spec = service_.created.spec();
  EXPECT_EQ(spec.target_mode(), v1::TARGET_MODE_BATCH);
  ASSERT_EQ(spec.groups_size(), 2);
  EXPECT_THAT(spec.groups(1).targets(), ::testing::ElementsAre("1", "A, B"));
  EXPECT_TRUE(spec.evaluate_epochs());
  EXPECT_TRUE(spec.export_weights());
  const Outcome both = Run({"submit", "--model", "tiny", "--dataset", "people", "--batch", "1-2",
                            "--sequential", "1", "--method", "ga"});
  EXPECT_EQ(both.code, 2);
  EXPECT_THAT(both.err, HasSubstr("--sequential: a run has single targets, batches or sequences"));
}

TEST_F(CommandLineTest, SubmitSendsDataParallelismAndSaysWhatItWaitsFor) {
  const Outcome outcome = Run({"submit", "--model", "tiny", "--dataset", "people", "--method", "ga",
                               "--data-parallel", "8", "--shard-optimizer", "--optimizer-on-host"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(service_.created.spec().data_parallel(), 8);
  EXPECT_TRUE(service_.created.spec().shard_optimizer_state());
  EXPECT_TRUE(service_.created.spec().optimizer_on_host());
  EXPECT_THAT(outcome.err, HasSubstr("note: each job needs 8 workers of one kind, "));
  EXPECT_EQ(outcome.out, "run r1: 2 jobs\n");
  EXPECT_EQ(Run({"submit", "--model", "tiny", "--dataset", "people", "--method", "ga",
                 "--data-parallel", "65"})
                .code,
            2);
}

TEST_F(CommandLineTest, ViolationsAreListedBelowTheError) {
  const Outcome outcome = Run({"submit", "--model", "x", "--dataset", "y", "--method", "ga"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err,
            "error: the request is wrong in 2 places\n"
            "  spec.model: unknown model\n"
            "  spec.dataset: unknown\n");
}

TEST_F(CommandLineTest, WatchPrintsOneLineAChangeAndExitsByTheRunsEnd) {
  service_.events = {RunEventAt(1, v1::RUN_STATE_RUNNING), RunEventAt(2, v1::RUN_STATE_RUNNING),
                     RunEventAt(3, v1::RUN_STATE_FAILED)};
  const Outcome outcome = Run({"watch", "r1"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out,
            "run r1: running (1 succeeded, 1 queued)\n"
            "run r1: failed (1 succeeded, 1 queued)\n");
  EXPECT_EQ(outcome.err, "");
}

std::string FreeAddress() { return absl::StrCat("127.0.0.1:", *testing::FreePort()); }

TEST(RestartTest, WatchGoesOnAfterTheServerWasRestarted) {
  const std::string address = FreeAddress();
  ScriptedService first;
  first.hold = true;
  first.events = {RunEventAt(7, v1::RUN_STATE_RUNNING)};
  auto server = net::Server::Start({.listen = address, .insecure_listen = false}, {&first});
  ASSERT_TRUE(server.ok()) << server.status();
  Outcome outcome;
  std::thread watcher([&] { outcome = RunAt(address, {"watch", "r1"}); });
  first.sent.WaitForNotification();
  first.released.Notify();
  server->reset();
  ScriptedService second;
  second.events = {RunEventAt(8, v1::RUN_STATE_SUCCEEDED)};
  const auto restarted =
      net::Server::Start({.listen = address, .insecure_listen = false}, {&second});
  ASSERT_TRUE(restarted.ok()) << restarted.status();
  watcher.join();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(second.watched_after, 7);
  EXPECT_EQ(outcome.out,
            "run r1: running (1 succeeded, 1 queued)\n"
            "run r1: succeeded (2 succeeded)\n");
}

TEST_F(CommandLineTest, VersionWarnsOfAServerOfAnotherMinorVersion) {
  const Outcome outcome = Run({"version"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out,
            absl::StrCat("client ", std::string(net::BinaryVersion()), "\nserver 9.9.0\n"));
  EXPECT_THAT(outcome.err, HasSubstr("warning: client"));
}

struct OutputCase {
  const char* name;
  std::vector<std::string> args;
  std::string table;
  std::string json;  // part of the JSON, without blanks and newlines
};

class OutputTest : public CommandLineTest, public ::testing::WithParamInterface<OutputCase> {};

TEST_P(OutputTest, IsATableForPeopleAndJsonForPrograms) {
  const Outcome table = Run(GetParam().args);
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_EQ(table.out, GetParam().table);
  std::vector<std::string> args = GetParam().args;
  args.insert(args.end(), {"-o", "json"});
  const Outcome json = Run(args);
  EXPECT_EQ(json.code, 0) << json.err;
  EXPECT_THAT(absl::StrReplaceAll(json.out, {{"\n", ""}, {" ", ""}}), HasSubstr(GetParam().json));
}

INSTANTIATE_TEST_SUITE_P(
    Commands, OutputTest,
    ::testing::Values(
        OutputCase{"Cancel", {"cancel", "r1"}, "run r1: cancelled\n", R"({"name":"runs/r1",)"},
        OutputCase{
            "Jobs",
            {"jobs", "r1"},
            "JOB   TARGET       METHOD   SEED  STATE      ATTEMPTS  WORKER    TOOK  LAST FAILURE\n"
            "r1/0  Ann Example  ga-full    42  succeeded         1  gpu0    1m 05s  -\n"
            "r1/1  Ann Example  ga-full    42  failed            1  -            -  numeric: "
            "loss is NaN at step 3\n",
            R"({"jobs":[{"name":"runs/r1/jobs/0",)"},
        OutputCase{"RetryOne",
                   {"retry", "r1/3"},
                   "job r1/3: queued\n",
                   R"({"jobs":[{"name":"runs/r1/jobs/3",)"},
        OutputCase{"RetryAll",
                   {"retry", "r1"},
                   "job r1/1: queued\n",
                   R"({"jobs":[{"name":"runs/r1/jobs/1",)"},
        OutputCase{
            "Workers",
            {"workers"},
            "WORKER  STATE  DEVICES            MODEL  JOB   DONE  FAILED  VERSION  SEEN\n"
            "gpu0    busy   cuda:0 (80.0 GiB)  tiny   r1/1     7       1  0.1.0    2001-09-09 "
            "01:46:40\n",
            R"({"workers":[{"name":"workers/gpu0","state":"WORKER_STATE_BUSY",)"},
        OutputCase{"Drain",
                   {"drain", "gpu0"},
                   "worker gpu0: draining\n",
                   R"({"name":"workers/gpu0","state":"WORKER_STATE_DRAINING",)"},
        OutputCase{"Targets",
                   {"targets", "people"},
                   "NUMBER  NAME           CORPORA            SETS  INTRO\n"
                   "    12  King, Stephen  positive,negative     1  Writes novels.\n",
                   R"({"targets":[{"number":12,"name":"King,Stephen","intro":"Writes\nnovels.",)"},
        OutputCase{"Models",
                   {"models"},
                   "MODEL  FAMILY  PROBLEM\n"
                   "tiny   llama   -\n"
                   "torn   -       config.json is missing\n",
                   R"({"models":[{"name":"tiny","family":"llama","problem":""},)"},
        OutputCase{"Datasets",
                   {"datasets"},
                   "DATASET  LAYOUT  TARGETS\n"
                   "people   target      200\n",
                   R"({"datasets":[{"name":"people","layout":"target","target_count":200}]})"},
        OutputCase{"Methods",
                   {"methods"},
                   "METHOD    TUNINGS    CORPUS    SUMMARY\n"
                   "original  -          -         The model as it is.\n"
                   "ga        full,lora  positive  Gradient ascent.\n",
                   R"({"methods":[{"name":"original",)"},
        OutputCase{
            "OneMethod",
            {"methods", "ga"},
            "method    ga\n"
            "summary   Gradient ascent.\n"
            "formula   minimise -NLL\n"
            "corpus    positive\n"
            "defaults  ga:full,lr=6e-08,epochs=3\n"
            "          ga:lora,lr=6e-08,epochs=3\n",
            R"({"methods":[{"name":"ga","summary":"Gradientascent.","formula":"minimise-NLL")"}),
    [](const auto& info) { return info.param.name; });

TEST_F(CommandLineTest, AnUnknownMethodIsAUsageErrorWithNearNames) {
  const Outcome outcome = Run({"methods", "gaa"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("unknown method \"gaa\""), HasSubstr("\"ga\"")));
}

// An executable script that `rwku local` takes for a daemon; it leaves its pid beside itself.
std::string WriteScript(const std::filesystem::path& path, const std::string& body) {
  std::ofstream(path) << "#!/bin/sh\necho $$ > " << path.string() << ".pid\n"
                      << body << "\nexec tail -f /dev/null\n";
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path.string();
}

TEST_F(CommandLineTest, LocalEndsWithItsOnlyWorkerAndSaysHow) {
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) / absl::StrCat("command_line_local_", getpid());
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::string port = server_->address().substr(server_->address().rfind(':') + 1);
  const Variables variables = {
      {"RWKU_SERVER_BINARY",
       WriteScript(folder / "server", "while [ $# -gt 0 ]; do [ \"$1\" = --port-file ] && echo " +
                                          port + " > \"$2\"; shift; done")},
      {"RWKU_WORKER_BINARY", WriteScript(folder / "worker", "")}};
  service_.worker_pid_file = folder / "worker.pid";
  service_.hold = true;
  service_.events = {RunEventAt(7, v1::RUN_STATE_RUNNING)};
  Outcome outcome;
  std::thread command([&] {
    outcome =
        RunAt("127.0.0.1:1",
              {"local", "--device", "cpu", "--data-dir", (folder / "data").string(), "watch", "r1"},
              variables);
  });
  service_.sent.WaitForNotification();
  pid_t pid = 0;
  std::ifstream(service_.worker_pid_file) >> pid;
  ASSERT_GT(pid, 0);
  kill(pid, SIGKILL);
  command.join();
  service_.released.Notify();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("run r1 is kept; continue it with: rwku local"),
                                 HasSubstr("error: worker local-1 was killed by signal 9")));
  std::filesystem::remove_all(folder);
}

TEST(UnreachableTest, IsExitCodeThreeAndNamesTheAddress) {
  const std::string address = FreeAddress();
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"list"}, {"watch", "r1"}}) {
    const Outcome outcome = RunAt(address, args);
    EXPECT_EQ(outcome.code, 3);
    EXPECT_THAT(outcome.err, HasSubstr("error: cannot reach the server at " + address));
  }
}

TEST(UsageTest, MistakesAreExitCodeTwo) {
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"sumbit"},
           {},
           {"status"},
           {"list", "--output", "csv"},
           {"list", "--nonsense"},
           {"list", "--timeout", "never"},
           {"local"},
           {"submit", "--model", "m", "--dataset", "d", "--method", "ga:half"}}) {
    EXPECT_EQ(RunAt("127.0.0.1:1", args).code, 2) << (args.empty() ? "" : args.front());
  }
  EXPECT_THAT(RunAt("127.0.0.1:1", {"sumbit"}).err, HasSubstr("submit"));
}

TEST(CompletionTest, ScriptsNameEveryCommand) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Outcome outcome = RunAt("127.0.0.1:1", {"completion", shell});
    EXPECT_EQ(outcome.code, 0);
    for (const char* command :
         {"submit",   "status",  "list",        "watch",   "results", "predictions", "cancel",
          "delete",   "retry",   "jobs",        "workers", "drain",   "targets",     "models",
          "datasets", "methods", "server-info", "version", "local",   "completion"}) {
      EXPECT_THAT(outcome.out, HasSubstr(command)) << shell;
    }
  }
}

}  // namespace
}  // namespace rwku::cli
