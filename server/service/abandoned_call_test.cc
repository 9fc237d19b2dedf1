// Calls whose caller has gone while they waited.
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include <gtest/gtest.h>

#include "net/channel.h"
#include "server/service/test_server.h"
#include "server/store/mem_store.h"

namespace rwku::service {
namespace {

namespace fs = std::filesystem;

TEST(AbandonedCallTest, ASubmissionWhoseCallerGaveUpInTheQueueMakesNoRun) {
  const fs::path root = fs::path(testing::TempDir()) / absl::StrCat("abandoned_call_", getpid());
  WriteFixtures(root);
  store::MemStore store;
  {
    TestServer server(root, &store);
    const v1::Run run = server.CreateRun(SpecOf({"1"}));
    ScriptedWorker worker(server.address());
    worker.Join(ScriptedWorker::HelloOf("w0"));
    ASSERT_TRUE(worker.Finish(worker.Receive().assign()).has_result_ack());

    // Reports hold both threads of the pool, so that the submission waits.
    absl::Notification go;
    absl::BlockingCounter held(2);
    std::atomic<int> reads = 0;
    store.SetReadHook([&] {
      if (++reads <= 2) {
        held.DecrementCount();
        go.WaitForNotification();
      }
      return absl::OkStatus();
    });
    std::vector<std::thread> reports;
    for (int i = 0; i < 2; ++i) {
      reports.emplace_back([&server, &run] {
        v1::GetReportRequest request;
        request.add_runs(run.name());
        v1::GetReportResponse report;
        grpc::ClientContext context;
        net::SetDeadline(&context);
        EXPECT_TRUE(server.stub().GetReport(&context, request, &report).ok());
      });
    }
    held.Wait();
    v1::CreateRunRequest request;
    *request.mutable_spec() = SpecOf({"2"});
    v1::Run abandoned;
    grpc::ClientContext context;
    net::SetDeadline(&context, absl::Milliseconds(100));
    EXPECT_EQ(server.stub().CreateRun(&context, request, &abandoned).error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED);
    // The server has heard of it by the time it has answered many later calls of the connection.
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(server.GetRun(run.name()).state(), v1::RUN_STATE_SUCCEEDED);
    }
    go.Notify();
    for (std::thread& report : reports) {
      report.join();
    }
  }  // waits for the calls that are left
  EXPECT_EQ(store.Load()->runs.size(), 1u);
  fs::remove_all(root);
}

}  // namespace
}  // namespace rwku::service
