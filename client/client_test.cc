#include "client/client.h"

#include <atomic>
#include <memory>

#include "absl/time/time.h"
#include <gtest/gtest.h>

#include "net/protocol_version.h"
#include "net/server.h"

namespace rwku::client {
namespace {

constexpr absl::Duration kStreamDeadline = absl::Seconds(1);

// Its run goes on without a change over some streams, and ends in the next.
class SilentService final : public v1::UnlearningService::Service {
 public:
  SilentService(int silent_streams, bool says_hello)
      : silent_streams_(silent_streams), says_hello_(says_hello) {}

  grpc::Status WatchRun(grpc::ServerContext* context, const v1::WatchRunRequest* /*request*/,
                        grpc::ServerWriter<v1::RunEvent>* writer) override {
    if (says_hello_) {
      context->AddInitialMetadata(net::kServerVersionKey, "1.2.3");
      writer->SendInitialMetadata();
    }
    if (++streams_ <= silent_streams_) {
      ended_.wait(false);
      return grpc::Status::CANCELLED;
    }
    v1::RunEvent event;
    event.set_revision(1);
    event.mutable_run()->set_state(v1::RUN_STATE_SUCCEEDED);
    writer->Write(event);
    return grpc::Status::OK;
  }

  // Lets the silent streams go.
  void End() {
    ended_ = true;
    ended_.notify_all();
  }
  int streams() const { return streams_; }

 private:
  const int silent_streams_;
  const bool says_hello_;
  std::atomic<int> streams_ = 0;
  std::atomic<bool> ended_ = false;
};

absl::StatusOr<v1::Run> Watch(SilentService& service) {
  const RealClock clock;
  const auto server = net::Server::Start({}, {&service});
  ClientOptions options;
  options.server = (*server)->address();
  options.stream_deadline = kStreamDeadline;
  options.retry_window = absl::Milliseconds(100);  // less than a silent stream takes
  options.backoff.initial = absl::Milliseconds(1);
  options.clock = &clock;
  const auto client = Client::Create(options);
  absl::StatusOr<v1::Run> run = (*client)->WatchRun("runs/r1", {}, [](const v1::RunEvent&) {});
  service.End();
  return run;
}

TEST(WatchRunTest, GoesOnWhenASilentStreamReachesItsOwnDeadline) {
  SilentService service(/*silent_streams=*/2, /*says_hello=*/true);
  const absl::StatusOr<v1::Run> run = Watch(service);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->state(), v1::RUN_STATE_SUCCEEDED);
  EXPECT_EQ(service.streams(), 3);
}

TEST(WatchRunTest, GivesAServerUpThatNeverGaveASignOfLife) {
  SilentService service(/*silent_streams=*/2, /*says_hello=*/false);
  EXPECT_TRUE(absl::IsDeadlineExceeded(Watch(service).status()));
  EXPECT_EQ(service.streams(), 1);
}

}  // namespace
}  // namespace rwku::client
