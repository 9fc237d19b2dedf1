// WatchRun where the run is large, or gone.
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "net/channel.h"
#include "server/service/test_server.h"
#include "server/store/mem_store.h"

namespace rwku::service {
namespace {

namespace fs = std::filesystem;

class StoredWatchTest : public testing::Test {
 protected:
  StoredWatchTest()
      : root_(fs::path(testing::TempDir()) /
              absl::StrCat("stored_watch_", getpid(), ".",
                           testing::UnitTest::GetInstance()->current_test_info()->name())) {
    WriteFixtures(root_);
  }
  ~StoredWatchTest() override { fs::remove_all(root_); }

  fs::path root_;
  store::MemStore store_;
};

TEST_F(StoredWatchTest, ARunThatWasDeletedBeforeTheWatcherWasKnownIsNotFound) {
  TestServer server(root_, &store_);
  const v1::Run run = server.CreateRun(SpecOf({"1"}));
  // As if the deletion came between the look for the run and the first look for its events.
  store::Batch batch;
  batch.changes.emplace_back(scheduler::EraseRun{RunId(run.name().substr(5))});
  ASSERT_TRUE(store_.Commit({batch}).ok());
  v1::WatchRunRequest request;
  request.set_name(run.name());
  grpc::ClientContext context;
  net::SetDeadline(&context);
  const auto stream = server.stub().WatchRun(&context, request);
  v1::RunEvent event;
  EXPECT_FALSE(stream->Read(&event));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(StoredWatchTest, AnEventCostsTheSameHoweverManyJobsTheRunHas) {
  constexpr int kJobs = 100'000;
  constexpr int kChanges = 5'000;
  scheduler::RunRecord run;
  run.id = RunId("r1");
  run.sequence = 1;
  uint64_t revision = 0;
  store::Batch batch;
  const auto put = [&](int index, scheduler::JobState state) {
    scheduler::JobRecord job;
    job.run = run.id;
    job.index = index;
    job.id = JobId(absl::StrCat("r1/", index));
    job.state = state;
    job.revision = ++revision;
    batch.changes.emplace_back(scheduler::PutJob{job});
  };
  const auto put_run = [&] {
    run.revision = ++revision;
    batch.changes.emplace_back(scheduler::PutRun{run});
  };
  for (int i = 0; i < kJobs; ++i) {
    put(i, scheduler::JobState::kFailed);
  }
  put_run();
  const uint64_t created = revision;
  for (int i = 0; i < kChanges; ++i) {
    put(i, scheduler::JobState::kSucceeded);
    if (i + 1 == kChanges) {
      run.state = scheduler::RunState::kFailed;
    }
    put_run();
  }
  ASSERT_TRUE(store_.Commit({batch}).ok());
  TestServer server(root_, &store_);
  v1::WatchRunRequest request;
  request.set_name("runs/r1");
  request.set_after_revision(created);
  grpc::ClientContext context;
  // Counting all the jobs for each of the run's events would take far longer.
  net::SetDeadline(&context, absl::Seconds(30));
  const auto stream = server.stub().WatchRun(&context, request);
  v1::RunEvent event;
  int changes = 0;
  while (stream->Read(&event)) {
    if (event.has_run()) {
      ++changes;
      ASSERT_EQ(event.run().jobs().succeeded(), changes);
      ASSERT_EQ(event.run().jobs().failed(), kJobs - changes);
    }
  }
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(changes, kChanges);
}

}  // namespace
}  // namespace rwku::service
