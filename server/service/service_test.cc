// The services over a real socket: a client and scripted workers against a whole coordinator.
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/channel.h"
#include "net/status.h"
#include "server/service/test_server.h"
#include "server/store/mem_store.h"
#include "server/store/rocks_store.h"

namespace rwku::service {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class ServiceTest : public testing::Test {
 protected:
  ServiceTest()
      : root_(fs::path(testing::TempDir()) /
              absl::StrCat("service_", getpid(), "_",
                           testing::UnitTest::GetInstance()->current_test_info()->name())) {
    WriteFixtures(root_);
    server_ = std::make_unique<TestServer>(root_, &store_);
  }
  ~ServiceTest() override {
    server_.reset();
    fs::remove_all(root_);
  }

  v1::UnlearningService::Stub& stub() { return server_->stub(); }

  template <typename Method, typename Request, typename Response>
  grpc::Status Call(Method method, const Request& request, Response* response) {
    grpc::ClientContext context;
    net::SetDeadline(&context);
    return (stub().*method)(&context, request, response);
  }

  fs::path root_;
  store::MemStore store_;
  std::unique_ptr<TestServer> server_;
};

TEST_F(ServiceTest, RunGoesFromSubmissionToTheTable) {
  const v1::Run run = server_->CreateRun(SpecOf({"1", "2"}));
  EXPECT_EQ(run.state(), v1::RUN_STATE_RUNNING);
  EXPECT_EQ(run.jobs().queued(), 2);
  EXPECT_THAT(run.spec().targets(), ElementsAre("Ada Stone", "Bo Reed"));
  EXPECT_THAT(run.spec().probe_sets(), ElementsAre("forget_level1"));
  EXPECT_THAT(run.spec().seeds(), ElementsAre(42));

  ScriptedWorker worker(server_->address());
  const v1::Welcome welcome = worker.Join(ScriptedWorker::HelloOf("w0"));
  EXPECT_EQ(welcome.lease_duration().seconds(), 30);
  std::set<std::string> targets;
  v1::Assign assign = worker.Receive().assign();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(assign.lease().fencing_token(), 1);
    EXPECT_EQ(assign.spec().model(), "tiny");
    EXPECT_EQ(assign.spec().recipe().method(), "original");
    targets.insert(assign.spec().target());
    const v1::CoordinatorMessage answer = worker.Finish(assign);
    ASSERT_TRUE(answer.has_result_ack()) << answer.ShortDebugString();
    if (i == 0) {
      assign = worker.Receive().assign();
    }
  }
  EXPECT_THAT(targets, ElementsAre("Ada Stone", "Bo Reed"));

  const v1::Run done = server_->GetRun(run.name());
  EXPECT_EQ(done.state(), v1::RUN_STATE_SUCCEEDED);
  EXPECT_EQ(done.jobs().succeeded(), 2);
  v1::GetReportRequest request;
  request.add_runs(run.name());
  v1::GetReportResponse report;
  ASSERT_TRUE(Call(&v1::UnlearningService::Stub::GetReport, request, &report).ok());
  ASSERT_EQ(report.table().rows_size(), 1);
  EXPECT_EQ(report.table().rows(0).label(), "original");
  EXPECT_EQ(report.table().rows(0).jobs_succeeded(), 2);
  EXPECT_DOUBLE_EQ(report.table().rows(0).cells(0).value(), 50);
  EXPECT_EQ(report.table().rows(0).cells(0).targets(), 2);
}

TEST_F(ServiceTest, RepeatedRequestIdReturnsTheFirstRun) {
  v1::CreateRunRequest request;
  *request.mutable_spec() = SpecOf({"1"});
  request.set_request_id("once");
  v1::Run first;
  v1::Run second;
  ASSERT_TRUE(Call(&v1::UnlearningService::Stub::CreateRun, request, &first).ok());
  ASSERT_TRUE(Call(&v1::UnlearningService::Stub::CreateRun, request, &second).ok());
  EXPECT_EQ(first.name(), second.name());
  request.mutable_spec()->set_priority(1);
  EXPECT_EQ(Call(&v1::UnlearningService::Stub::CreateRun, request, &second).error_code(),
            grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(ServiceTest, ValidateOnlyStoresNothing) {
  v1::CreateRunRequest request;
  *request.mutable_spec() = SpecOf({});
  request.set_validate_only(true);
  v1::Run run;
  ASSERT_TRUE(Call(&v1::UnlearningService::Stub::CreateRun, request, &run).ok());
  EXPECT_EQ(run.jobs().queued(), 3);
  v1::ListRunsResponse runs;
  ASSERT_TRUE(Call(&v1::UnlearningService::Stub::ListRuns, v1::ListRunsRequest(), &runs).ok());
  EXPECT_EQ(runs.runs_size(), 0);
}

TEST_F(ServiceTest, CancelledRunRevokesItsLeases) {
  const v1::Run run = server_->CreateRun(SpecOf({"1"}));
  ScriptedWorker worker(server_->address());
  worker.Join(ScriptedWorker::HelloOf("w0"));
  const v1::Assign assign = worker.Receive().assign();
  v1::CancelRunRequest request;
  request.set_name(run.name());
  v1::Run cancelled;
  ASSERT_TRUE(Call(&v1::UnlearningService::Stub::CancelRun, request, &cancelled).ok());
  EXPECT_EQ(cancelled.state(), v1::RUN_STATE_CANCELLED);
  const v1::CoordinatorMessage message = worker.Receive();
  ASSERT_TRUE(message.has_revoke()) << message.ShortDebugString();
  EXPECT_EQ(message.revoke().lease().job(), assign.lease().job());
  // A late result changes nothing.
  worker.Send(ScriptedWorker::CompletedOf(assign));
  EXPECT_TRUE(worker.Receive().has_revoke());
  ASSERT_TRUE(Call(&v1::UnlearningService::Stub::CancelRun, request, &cancelled).ok());
  EXPECT_EQ(cancelled.state(), v1::RUN_STATE_CANCELLED);
  v1::DeleteRunRequest erase;
  erase.set_name(run.name());
  v1::DeleteRunResponse erased;
  EXPECT_TRUE(Call(&v1::UnlearningService::Stub::DeleteRun, erase, &erased).ok());
}

TEST_F(ServiceTest, FailedJobIsRetriedOnRequest) {
  const v1::Run run = server_->CreateRun(SpecOf({"1"}));
  ScriptedWorker worker(server_->address());
  worker.Join(ScriptedWorker::HelloOf("w0"));
  v1::Assign assign = worker.Receive().assign();
  v1::WorkerMessage failed;
  *failed.mutable_failed()->mutable_lease() = assign.lease();
  failed.mutable_failed()->set_failure_class(v1::FAILURE_CLASS_NUMERIC);
  failed.mutable_failed()->set_message("step 3: loss is NaN, the last good one was 1.5");
  worker.Send(failed);
  EXPECT_TRUE(worker.Receive().has_result_ack());
  const std::vector<v1::Job> jobs = server_->Jobs(run.name());
  ASSERT_THAT(jobs, SizeIs(1));
  EXPECT_EQ(jobs[0].state(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(jobs[0].last_failure().message(), HasSubstr("step 3"));
  EXPECT_EQ(server_->GetRun(run.name()).state(), v1::RUN_STATE_FAILED);

  v1::RetryJobRequest request;
  request.set_name(jobs[0].name());
  v1::Job job;
  ASSERT_TRUE(Call(&v1::UnlearningService::Stub::RetryJob, request, &job).ok());
  EXPECT_EQ(Call(&v1::UnlearningService::Stub::RetryJob, request, &job).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  assign = worker.Receive().assign();
  EXPECT_EQ(assign.lease().fencing_token(), 2);
  EXPECT_TRUE(worker.Finish(assign).has_result_ack());
  EXPECT_EQ(server_->GetRun(run.name()).state(), v1::RUN_STATE_SUCCEEDED);
}

TEST_F(ServiceTest, StaleCompletionIsRefusedAndTheNewOneCounts) {
  const v1::Run run = server_->CreateRun(SpecOf({"1"}));
  ScriptedWorker first(server_->address());
  first.Join(ScriptedWorker::HelloOf("w0"));
  const v1::Assign old_assign = first.Receive().assign();
  v1::WorkerMessage drain;
  *drain.mutable_draining()->add_released() = old_assign.lease();
  first.Send(drain);
  ScriptedWorker second(server_->address());
  second.Join(ScriptedWorker::HelloOf("w1"));
  const v1::Assign assign = second.Receive().assign();
  EXPECT_EQ(assign.lease().fencing_token(), 2);
  first.Send(ScriptedWorker::CompletedOf(old_assign));
  v1::CoordinatorMessage answer = first.Receive();
  EXPECT_TRUE(answer.has_revoke()) << answer.ShortDebugString();
  EXPECT_TRUE(second.Finish(assign).has_result_ack());
  // Said twice, it is acknowledged twice and stored once.
  second.Send(ScriptedWorker::CompletedOf(assign));
  EXPECT_TRUE(second.Receive().has_result_ack());
  EXPECT_EQ(server_->Jobs(run.name())[0].worker(), "w1");
}

TEST_F(ServiceTest, CompletionWithoutAllItsPredictionsIsNotAResult) {
  const v1::Run run = server_->CreateRun(SpecOf({"1"}));
  ScriptedWorker worker(server_->address());
  worker.Join(ScriptedWorker::HelloOf("w0"));
  const v1::Assign assign = worker.Receive().assign();
  worker.Send(ScriptedWorker::CompletedOf(assign));
  EXPECT_TRUE(worker.Receive().has_result_ack());
  const v1::Job job = server_->Jobs(run.name())[0];
  EXPECT_NE(job.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(job.last_failure().failure_class(), v1::FAILURE_CLASS_INFRASTRUCTURE);
  EXPECT_EQ(job.failures(), 0);
}

TEST_F(ServiceTest, PredictionsComeInPagesAndAsAStream) {
  const v1::Run run = server_->CreateRun(SpecOf({"1-3"}));
  ScriptedWorker worker(server_->address());
  worker.Join(ScriptedWorker::HelloOf("w0"));
  for (int i = 0; i < 3; ++i) {
    worker.Finish(worker.Receive().assign());
  }
  v1::ListPredictionsRequest request;
  request.set_parent(run.name());
  request.set_page_size(2);
  std::vector<std::string> targets;
  int pages = 0;
  do {
    v1::ListPredictionsResponse page;
    ASSERT_TRUE(Call(&v1::UnlearningService::Stub::ListPredictions, request, &page).ok());
    for (const v1::PredictionRow& row : page.predictions()) {
      targets.push_back(row.prediction().target());
      EXPECT_EQ(row.recipe(), "original");
      EXPECT_EQ(row.prediction().output(), row.job());
    }
    request.set_page_token(page.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(pages, 2);
  EXPECT_THAT(targets, ElementsAre("Ada Stone", "Bo Reed", "Cy Moon"));

  v1::StreamPredictionsRequest stream_request;
  stream_request.set_parent(run.name());
  stream_request.mutable_filter()->add_targets("Bo Reed");
  grpc::ClientContext context;
  net::SetDeadline(&context);
  const auto stream = stub().StreamPredictions(&context, stream_request);
  v1::Prediction prediction;
  int count = 0;
  while (stream->Read(&prediction)) {
    EXPECT_EQ(prediction.target(), "Bo Reed");
    ++count;
  }
  EXPECT_EQ(count, 1);
  EXPECT_TRUE(stream->Finish().ok());

  request.set_page_token("nonsense");
  v1::ListPredictionsResponse page;
  EXPECT_EQ(Call(&v1::UnlearningService::Stub::ListPredictions, request, &page).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServiceTest, MissingPredictionsAreAnErrorAndNotTheEnd) {
  const v1::Run run = server_->CreateRun(SpecOf({"1"}));
  ScriptedWorker worker(server_->address());
  worker.Join(ScriptedWorker::HelloOf("w0"));
  const v1::Assign assign = worker.Receive().assign();
  worker.Finish(assign);
  store::Batch batch;
  batch.changes.emplace_back(scheduler::EraseAttempt{
      JobId(absl::StrCat(run.name().substr(5), "/0")), assign.lease().fencing_token()});
  ASSERT_TRUE(store_.Commit({batch}).ok());
  v1::ListPredictionsRequest request;
  request.set_parent(run.name());
  v1::ListPredictionsResponse page;
  const grpc::Status status = Call(&v1::UnlearningService::Stub::ListPredictions, request, &page);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(status.error_message(), HasSubstr("0 stored predictions, its result counts 1"));
  v1::GetReportRequest report_request;
  report_request.add_runs(run.name());
  v1::GetReportResponse report;
  EXPECT_EQ(Call(&v1::UnlearningService::Stub::GetReport, report_request, &report).error_code(),
            grpc::StatusCode::DATA_LOSS);
}

TEST_F(ServiceTest, ReportHasEachRunOnceAndAHundredAtMost) {
  const v1::Run run = server_->CreateRun(SpecOf({"1"}));
  v1::GetReportRequest request;
  for (int i = 0; i < 200; ++i) {
    request.add_runs(run.name());
  }
  v1::GetReportResponse report;
  ASSERT_TRUE(Call(&v1::UnlearningService::Stub::GetReport, request, &report).ok());
  EXPECT_EQ(report.table().rows_size(), 1);
  for (int i = 0; i < 100; ++i) {
    request.add_runs(absl::StrCat("runs/x", i));
  }
  EXPECT_EQ(Call(&v1::UnlearningService::Stub::GetReport, request, &report).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServiceTest, RepeatedRequestIdReturnsTheFirstRunAlsoWhenItsDatasetIsGone) {
  v1::CreateRunRequest request;
  *request.mutable_spec() = SpecOf({"1"});
  request.set_request_id("once");
  v1::Run first;
  v1::Run second;
  ASSERT_TRUE(Call(&v1::UnlearningService::Stub::CreateRun, request, &first).ok());
  fs::rename(root_ / "datasets/people", root_ / "datasets/moved");
  const grpc::Status status = Call(&v1::UnlearningService::Stub::CreateRun, request, &second);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(first.name(), second.name());
}

TEST_F(ServiceTest, DrainedWorkerIsToldAndTakesNothingNew) {
  ScriptedWorker worker(server_->address());
  worker.Join(ScriptedWorker::HelloOf("w0"));
  v1::DrainWorkerRequest request;
  request.set_name("workers/w0");
  v1::Worker drained;
  ASSERT_TRUE(Call(&v1::UnlearningService::Stub::DrainWorker, request, &drained).ok());
  EXPECT_EQ(drained.state(), v1::WORKER_STATE_DRAINING);
  EXPECT_TRUE(worker.Receive().has_drain());
  const v1::Run run = server_->CreateRun(SpecOf({"1"}));
  EXPECT_EQ(server_->GetRun(run.name()).jobs().queued(), 1);
  request.set_name("workers/nobody");
  EXPECT_EQ(Call(&v1::UnlearningService::Stub::DrainWorker, request, &drained).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServiceTest, WorkerOfAnotherProtocolVersionIsToldBothVersions) {
  ScriptedWorker worker(server_->address());
  v1::Hello hello = ScriptedWorker::HelloOf("w0");
  hello.set_protocol_version(999);
  worker.SendHello(hello);
  const grpc::Status status = worker.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("version 999"));
  EXPECT_THAT(status.error_message(), HasSubstr("version 1"));
}

TEST_F(ServiceTest, WorkerWithABadNameIsRefused) {
  ScriptedWorker worker(server_->address());
  worker.SendHello(ScriptedWorker::HelloOf("../w0"));
  const grpc::Status status = worker.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("hello.worker"));
}

TEST_F(ServiceTest, MalformedLeaseEndsTheStreamAndNamesTheField) {
  ScriptedWorker worker(server_->address());
  worker.Join(ScriptedWorker::HelloOf("w0"));
  v1::WorkerMessage message;
  message.mutable_heartbeat()->add_leases()->set_job("nonsense");
  worker.Send(message);
  const grpc::Status status = worker.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("lease.job"));
}

TEST_F(ServiceTest, GangAddressMustBeOne) {
  v1::Hello hello = ScriptedWorker::HelloOf("w0");
  hello.set_gang_address("nowhere");
  ScriptedWorker worker(server_->address());
  worker.SendHello(hello);
  const grpc::Status status = worker.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("hello.gang_address"));
}

TEST_F(ServiceTest, GangIsToldItsRanksAndEndsTogether) {
  v1::Hello hello = ScriptedWorker::HelloOf("w0");
  hello.clear_devices();
  hello.add_devices()->set_name("cuda:0");
  hello.set_gang_address("10.0.0.1:7460");
  ScriptedWorker first(server_->address());
  first.Join(hello);
  hello.set_worker("w1");
  hello.mutable_devices(0)->set_name("cuda:3");
  hello.set_gang_address("10.0.0.2:7460");
  ScriptedWorker second(server_->address());
  second.Join(hello);
  v1::RunSpec spec = SpecOf({"1"});
  spec.set_data_parallel(2);
  const v1::Run run = server_->CreateRun(spec);
  EXPECT_EQ(run.spec().data_parallel(), 2);
  const v1::Assign rank0 = first.Receive().assign();
  const v1::Assign rank1 = second.Receive().assign();
  EXPECT_EQ(rank0.rank(), 0);
  EXPECT_EQ(rank1.rank(), 1);
  for (const v1::Assign& assign : {rank0, rank1}) {
    EXPECT_EQ(assign.world_size(), 2);
    EXPECT_EQ(assign.rendezvous(), "10.0.0.1:7460");
    EXPECT_EQ(assign.lease().fencing_token(), 1);
  }
  const std::vector<v1::Job> jobs = server_->Jobs(run.name());
  EXPECT_THAT(jobs[0].gang(), testing::ElementsAre("w0", "w1"));
  EXPECT_EQ(jobs[0].worker(), "w0");
  // Predictions of another rank than the first are refused.
  v1::WorkerMessage chunk;
  *chunk.mutable_prediction_chunk()->mutable_lease() = rank1.lease();
  *chunk.mutable_prediction_chunk()->add_predictions() = ScriptedWorker::PredictionOf(rank1, 0);
  second.Send(chunk);
  EXPECT_THAT(second.Receive().revoke().reason(), HasSubstr("comes from worker \"w0\""));
  EXPECT_TRUE(first.Finish(rank0).has_result_ack());
  EXPECT_TRUE(second.Receive().has_result_ack());
  EXPECT_EQ(server_->GetRun(run.name()).state(), v1::RUN_STATE_SUCCEEDED);
}

TEST_F(ServiceTest, OversizedHelloIsRefused) {
  v1::Hello hello = ScriptedWorker::HelloOf("w0");
  for (int i = 0; i < 65; ++i) {
    hello.add_devices()->set_name("cpu");
  }
  ScriptedWorker worker(server_->address());
  worker.SendHello(hello);
  const grpc::Status status = worker.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("hello.devices"));
}

TEST_F(ServiceTest, OversizedResultsAreFailuresAndLongMessagesAreCut) {
  const v1::Run run = server_->CreateRun(SpecOf({"1", "2"}));
  ScriptedWorker worker(server_->address());
  worker.Join(ScriptedWorker::HelloOf("w0"));
  v1::Assign assign = worker.Receive().assign();
  v1::WorkerMessage failed;
  *failed.mutable_failed()->mutable_lease() = assign.lease();
  failed.mutable_failed()->set_failure_class(v1::FAILURE_CLASS_NUMERIC);
  std::string message = "x";
  for (int i = 0; i < 10000; ++i) {
    message += "\xC3\xA9";
  }
  failed.mutable_failed()->set_message(message);
  worker.Send(failed);
  EXPECT_TRUE(worker.Receive().has_result_ack());
  assign = worker.Receive().assign();
  worker.SendChunk(assign, 0);
  v1::WorkerMessage completed = ScriptedWorker::CompletedOf(assign);
  for (int i = 0; i < 100000; ++i) {
    completed.mutable_completed()->mutable_result()->add_training_curve()->set_loss(0.5 + i);
  }
  worker.Send(completed);
  EXPECT_TRUE(worker.Receive().has_result_ack());
  const std::vector<v1::Job> jobs = server_->Jobs(run.name());
  ASSERT_THAT(jobs, SizeIs(2));
  EXPECT_LT(jobs[0].last_failure().message().size(), 4200u);
  EXPECT_THAT(jobs[0].last_failure().message(), HasSubstr("\xC3\xA9... (20001 bytes)"));
  EXPECT_NE(jobs[1].state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(jobs[1].last_failure().message(), HasSubstr("allowed at most 1048576"));
}

TEST_F(ServiceTest, DamageThatACompletionMeetsStopsTheServer) {
  server_->CreateRun(SpecOf({"1"}));
  ScriptedWorker worker(server_->address());
  worker.Join(ScriptedWorker::HelloOf("w0"));
  const v1::Assign assign = worker.Receive().assign();
  worker.SendChunk(assign, 0);
  store_.SetReadHook([] { return absl::DataLossError("000012.sst: checksum mismatch"); });
  worker.Send(ScriptedWorker::CompletedOf(assign));
  v1::ServerInfo info;
  grpc::Status status;
  while (status.ok()) {
    status = Call(&v1::UnlearningService::Stub::GetServerInfo, v1::GetServerInfoRequest(), &info);
  }
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(status.error_message(), HasSubstr("000012.sst"));
  EXPECT_EQ(store_.Load()->jobs.front().state, scheduler::JobState::kLeased);
}

TEST_F(ServiceTest, FullDiskRefusesChangesAndLosesNothing) {
  const v1::Run run = server_->CreateRun(SpecOf({"1", "2"}));
  ScriptedWorker worker(server_->address());
  worker.Join(ScriptedWorker::HelloOf("w0"));
  const v1::Assign assign = worker.Receive().assign();
  worker.SendChunk(assign, 0);
  store_.SetCommitHook([](const std::vector<store::Batch>&) {
    return absl::ResourceExhaustedError("no space left on device");
  });
  worker.Send(ScriptedWorker::CompletedOf(assign));
  v1::CreateRunRequest request;
  *request.mutable_spec() = SpecOf({"3"});
  v1::Run refused;
  const grpc::Status status = Call(&v1::UnlearningService::Stub::CreateRun, request, &refused);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("no space left"));
  // Reads go on, and show what is stored.
  EXPECT_EQ(server_->GetRun(run.name()).jobs().succeeded(), 0);
  store_.SetCommitHook(nullptr);
  v1::CoordinatorMessage answer = worker.Receive();
  EXPECT_TRUE(answer.has_result_ack()) << answer.ShortDebugString();
  EXPECT_EQ(server_->GetRun(run.name()).jobs().succeeded(), 1);
}

TEST_F(ServiceTest, RestartKeepsLeasesAndResults) {
  const fs::path folder = root_ / "db";
  server_.reset();
  std::string name;
  std::vector<v1::RunEvent> seen;
  v1::Assign assign;
  {
    auto rocks = store::RocksStore::Open({.folder = folder});
    ASSERT_TRUE(rocks.ok()) << rocks.status();
    TestServer server(root_, rocks->get());
    name = server.CreateRun(SpecOf({"1", "2"})).name();
    ScriptedWorker worker(server.address());
    worker.Join(ScriptedWorker::HelloOf("w0"));
    EXPECT_TRUE(worker.Finish(worker.Receive().assign()).has_result_ack());
    assign = worker.Receive().assign();
    worker.SendChunk(assign, 0);
  }
  auto rocks = store::RocksStore::Open({.folder = folder});
  ASSERT_TRUE(rocks.ok()) << rocks.status();
  TestServer server(root_, rocks->get());
  EXPECT_EQ(server.GetRun(name).jobs().succeeded(), 1);
  EXPECT_EQ(server.GetRun(name).jobs().leased(), 1);
  ScriptedWorker worker(server.address());
  v1::Hello hello = ScriptedWorker::HelloOf("w0");
  *hello.add_leases() = assign.lease();
  const v1::Welcome welcome = worker.Join(hello);
  ASSERT_EQ(welcome.leases_size(), 1);
  EXPECT_EQ(welcome.leases(0).fencing_token(), assign.lease().fencing_token());
  worker.Send(ScriptedWorker::CompletedOf(assign));
  EXPECT_TRUE(worker.Receive().has_result_ack());
  EXPECT_EQ(server.GetRun(name).state(), v1::RUN_STATE_SUCCEEDED);
}

}  // namespace
}  // namespace rwku::service
