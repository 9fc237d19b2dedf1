// A coordinator that a test scripts: takes every stream, keeps what the worker said and says what
// the test wants. For tests of the agent.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rwku/v1/worker.grpc.pb.h"
#include <grpcpp/server.h>

namespace rwku::agent {

// Thread-safe. Waiting functions give up after thirty seconds and return false or nullopt.
class TestingCoordinator final : public v1::WorkerService::Service {
 public:
  // Listens on a free port of loopback, or on `port`.
  explicit TestingCoordinator(int port = 0);
  ~TestingCoordinator() override;

  int port() const { return port_; }
  std::unique_ptr<v1::WorkerService::Stub> NewStub() const;

  // Answers Hello by itself (Welcome that keeps every lease) while set; the default. The test says
  // Welcome otherwise.
  void set_welcomes(bool welcomes);
  // Heartbeats and leases of automatic Welcomes.
  void set_times(absl::Duration heartbeat, absl::Duration lease);
  // Acknowledges chunks and results by itself while set; the default.
  void set_acknowledges(bool acknowledges);
  // Ends the next streams with this status at their Hello.
  void set_refusal(grpc::Status refusal);

  // Says something on the present stream; false if there is none.
  bool Send(const v1::CoordinatorMessage& message);
  // Breaks the present stream off with UNAVAILABLE.
  void BreakStream();

  // The first message not yet taken for which `match` holds, from any stream; takes it.
  std::optional<v1::WorkerMessage> Await(
      const std::function<bool(const v1::WorkerMessage&)>& match);
  // Whether such a message came, without waiting or taking it.
  bool Has(const std::function<bool(const v1::WorkerMessage&)>& match);
  // Until `streams` streams in all have ended.
  bool AwaitStreamsEnded(int streams);
  int streams() const;

 private:
  using ServerStream = grpc::ServerReaderWriter<v1::CoordinatorMessage, v1::WorkerMessage>;

  grpc::Status Connect(grpc::ServerContext* context, ServerStream* stream) override;
  void React(const v1::WorkerMessage& message, ServerStream* stream);

  mutable absl::Mutex mu_;
  bool welcomes_ ABSL_GUARDED_BY(mu_) = true;
  bool acknowledges_ ABSL_GUARDED_BY(mu_) = true;
  absl::Duration heartbeat_ ABSL_GUARDED_BY(mu_) = absl::Milliseconds(20);
  absl::Duration lease_ ABSL_GUARDED_BY(mu_) = absl::Seconds(30);
  grpc::Status refusal_ ABSL_GUARDED_BY(mu_);
  ServerStream* stream_ ABSL_GUARDED_BY(mu_) = nullptr;
  grpc::ServerContext* context_ ABSL_GUARDED_BY(mu_) = nullptr;
  std::deque<v1::WorkerMessage> received_ ABSL_GUARDED_BY(mu_);
  int streams_ ABSL_GUARDED_BY(mu_) = 0;
  int streams_ended_ ABSL_GUARDED_BY(mu_) = 0;

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace rwku::agent
