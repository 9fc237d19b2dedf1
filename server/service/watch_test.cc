// WatchRun over a real socket.
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "net/channel.h"
#include "net/protocol_version.h"
#include "server/service/test_server.h"
#include "server/store/mem_store.h"

namespace rwku::service {
namespace {

namespace fs = std::filesystem;

class WatchTest : public testing::Test {
 protected:
  WatchTest()
      : root_(fs::path(testing::TempDir()) /
              absl::StrCat("watch_", getpid(), "_",
                           testing::UnitTest::GetInstance()->current_test_info()->name())) {
    WriteFixtures(root_);
    server_ = std::make_unique<TestServer>(root_, &store_);
  }
  ~WatchTest() override {
    server_.reset();
    fs::remove_all(root_);
  }

  v1::UnlearningService::Stub& stub() { return server_->stub(); }

  // All events of a run that is terminal.
  std::vector<v1::RunEvent> Watch(const std::string& run, uint64_t after) {
    v1::WatchRunRequest request;
    request.set_name(run);
    request.set_after_revision(after);
    request.set_omit_progress(true);
    grpc::ClientContext context;
    net::SetDeadline(&context);
    const auto stream = stub().WatchRun(&context, request);
    std::vector<v1::RunEvent> events;
    v1::RunEvent event;
    while (stream->Read(&event)) {
      events.push_back(event);
    }
    const grpc::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return events;
  }

  fs::path root_;
  store::MemStore store_;
  std::unique_ptr<TestServer> server_;
};

TEST_F(WatchTest, ResumesWithoutGapOrRepeat) {
  const v1::Run run = server_->CreateRun(SpecOf({"1", "2"}));
  ScriptedWorker worker(server_->address());
  worker.Join(ScriptedWorker::HelloOf("w0"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(worker.Finish(worker.Receive().assign()).has_result_ack());
  }
  const std::vector<v1::RunEvent> all = Watch(run.name(), 0);
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all.back().run().state(), v1::RUN_STATE_SUCCEEDED);
  EXPECT_EQ(all.back().run().jobs().succeeded(), 2);
  for (size_t i = 0; i < all.size(); ++i) {
    const std::vector<v1::RunEvent> rest = Watch(run.name(), all[i].revision());
    ASSERT_EQ(rest.size(), all.size() - i - 1);
    for (size_t j = 0; j < rest.size(); ++j) {
      EXPECT_EQ(rest[j].SerializeAsString(), all[i + 1 + j].SerializeAsString());
    }
  }
}

TEST_F(WatchTest, FollowsLiveProgress) {
  const v1::Run run = server_->CreateRun(SpecOf({"1"}));
  v1::WatchRunRequest request;
  request.set_name(run.name());
  request.set_after_revision(run.revision());
  grpc::ClientContext context;
  net::SetDeadline(&context);
  const auto watch = stub().WatchRun(&context, request);
  ScriptedWorker worker(server_->address());
  worker.Join(ScriptedWorker::HelloOf("w0"));
  const v1::Assign assign = worker.Receive().assign();
  v1::WorkerMessage message;
  *message.mutable_progress()->mutable_lease() = assign.lease();
  message.mutable_progress()->mutable_progress()->set_stage("unlearn");
  worker.Send(message);
  v1::RunEvent event;
  bool progressed = false;
  while (!progressed && watch->Read(&event)) {
    progressed = event.has_progress();
  }
  ASSERT_TRUE(progressed);
  EXPECT_EQ(event.progress().progress().stage(), "unlearn");
  EXPECT_EQ(event.progress().job(), assign.lease().job());
  worker.Finish(assign);
  while (watch->Read(&event)) {
  }
  EXPECT_EQ(event.run().state(), v1::RUN_STATE_SUCCEEDED);
  EXPECT_TRUE(watch->Finish().ok());
}

TEST_F(WatchTest, BeginsWithASignOfLifeThoughNothingChanges) {
  const v1::Run run = server_->CreateRun(SpecOf({"1"}));
  v1::WatchRunRequest request;
  request.set_name(run.name());
  request.set_after_revision(run.revision());
  grpc::ClientContext context;
  net::SetDeadline(&context);
  const auto watch = stub().WatchRun(&context, request);
  watch->WaitForInitialMetadata();
  const auto& metadata = context.GetServerInitialMetadata();
  const auto version = metadata.find(net::kServerVersionKey);
  ASSERT_NE(version, metadata.end());
  EXPECT_EQ(std::string(version->second.data(), version->second.size()),
            std::string(net::BinaryVersion()));
  context.TryCancel();
  v1::RunEvent event;
  EXPECT_FALSE(watch->Read(&event));
  watch->Finish();
}

}  // namespace
}  // namespace rwku::service
