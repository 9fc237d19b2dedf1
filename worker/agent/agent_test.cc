// The agent against a scripted coordinator over loopback.
#include "worker/agent/agent.h"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/clock.h"
#include "base/digest.h"
#include "worker/agent/convert.h"
#include "worker/agent/testing_coordinator.h"
#include "worker/engine/device_lost.h"

namespace rwku::agent {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(30);

bool IsHello(const v1::WorkerMessage& message) { return message.has_hello(); }
bool IsHeartbeat(const v1::WorkerMessage& message) { return message.has_heartbeat(); }
bool IsChunk(const v1::WorkerMessage& message) { return message.has_prediction_chunk(); }
bool IsCompleted(const v1::WorkerMessage& message) { return message.has_completed(); }
bool IsFailed(const v1::WorkerMessage& message) { return message.has_failed(); }
bool IsDraining(const v1::WorkerMessage& message) { return message.has_draining(); }

bool IsBusyHeartbeat(const v1::WorkerMessage& message) {
  return message.has_heartbeat() && message.heartbeat().leases_size() > 0;
}

v1::CoordinatorMessage MakeAssign(const std::string& job, uint64_t token, int halvings = 0) {
  v1::CoordinatorMessage message;
  v1::Assign* assign = message.mutable_assign();
  assign->mutable_lease()->set_job(job);
  assign->mutable_lease()->set_fencing_token(token);
  assign->mutable_spec()->set_model("m");
  assign->mutable_spec()->set_dataset("d");
  assign->mutable_spec()->set_target("Ann Example");
  assign->mutable_spec()->mutable_recipe()->set_method("ga");
  assign->mutable_spec()->mutable_recipe()->set_tuning(v1::TUNING_KIND_FULL);
  assign->mutable_spec()->add_probe_sets("forget_level1");
  assign->set_micro_batch_halvings(halvings);
  assign->set_world_size(1);
  return message;
}

std::vector<evaluate::Prediction> MakePredictions(int count) {
  std::vector<evaluate::Prediction> predictions(count);
  for (int i = 0; i < count; ++i) {
    predictions[i].target = "Ann Example";
    predictions[i].index = i;
    predictions[i].output = absl::StrCat("output ", i);
    predictions[i].scores = {{.name = "rouge_l_recall", .value = 0.5}};
  }
  return predictions;
}

class AgentTest : public ::testing::Test {
 protected:
  void Start(job::AttemptRunner runner, AgentOptions options = {}) {
    options.state.worker = "w0";
    options.state.incarnation = "one";
    options.state.version = "1.2.3";
    options.state.progress_interval = absl::ZeroDuration();
    options.state.outbox.chunk_predictions = 2;
    options.state.outbox.window = 2;
    options.backoff = {.initial = absl::Milliseconds(5), .limit = absl::Milliseconds(20)};
    options.handshake_timeout = kPatience;
    stub_ = coordinator_.NewStub();
    agent_ = std::make_unique<Agent>(std::move(options), stub_.get(), &clock_, std::move(runner));
    thread_ = std::thread([this] {
      status_ = agent_->Run();
      ended_.Notify();
    });
  }

  bool AwaitEnd() { return ended_.WaitForNotificationWithTimeout(kPatience); }

  void TearDown() override {
    if (thread_.joinable()) {
      agent_->Drain(absl::ZeroDuration());
      thread_.join();
    }
  }

  // Blocks until cancelled.
  static absl::Status AwaitCancel(const CancelToken& cancel) {
    absl::Mutex mu;
    absl::MutexLock lock(&mu);
    // A token wakes nobody: look every millisecond.
    while (!cancel.cancelled()) {
      mu.AwaitWithTimeout(
          absl::Condition(
              +[](const CancelToken* token) { return token->cancelled(); }, &cancel),
          absl::Milliseconds(1));
    }
    return cancel.Check();
  }

  TestingCoordinator coordinator_;
  RealClock clock_;
  std::unique_ptr<v1::WorkerService::Stub> stub_;
  std::unique_ptr<Agent> agent_;
  std::thread thread_;
  absl::Notification ended_;
  absl::Status status_;
};

TEST_F(AgentTest, SaysWhoItIsFirst) {
  Start([](const auto&, const auto&, const auto&) { return job::AttemptResult{}; });
  const auto hello = coordinator_.Await(IsHello);
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->hello().worker(), "w0");
  EXPECT_EQ(hello->hello().incarnation(), "one");
  EXPECT_EQ(hello->hello().version(), "1.2.3");
  EXPECT_EQ(hello->hello().leases_size(), 0);
}

TEST_F(AgentTest, ANormalJobSendsItsChunksThenItsResultWithTheirDigest) {
  Start([](const job::AttemptSpec& spec, const job::AttemptCallbacks& callbacks,
           const CancelToken&) -> absl::StatusOr<job::AttemptResult> {
    EXPECT_EQ(spec.targets.at(0).name, "Ann Example");
    const absl::Status sent = callbacks.on_predictions(MakePredictions(9));
    EXPECT_TRUE(sent.ok()) << sent;
    job::AttemptResult result;
    result.corpus_texts = 3;
    return result;
  });
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/0", 1)));
  const auto completed = coordinator_.Await(IsCompleted);
  ASSERT_TRUE(completed.has_value());
  EXPECT_EQ(completed->completed().lease().fencing_token(), 1U);
  EXPECT_EQ(completed->completed().chunks(), 5);
  EXPECT_EQ(completed->completed().result().prediction_count(), 9);
  EXPECT_EQ(completed->completed().result().corpus_texts(), 3);
  EXPECT_EQ(completed->completed().result().worker_version(), "1.2.3");
  Sha256 digest;
  for (int sequence = 0; sequence < 5; ++sequence) {
    const auto chunk = coordinator_.Await(IsChunk);
    ASSERT_TRUE(chunk.has_value());
    EXPECT_EQ(chunk->prediction_chunk().sequence(), sequence);
    for (const v1::Prediction& prediction : chunk->prediction_chunk().predictions()) {
      digest.Update(prediction.SerializeAsString());
    }
  }
  EXPECT_EQ(completed->completed().result().predictions_digest(), digest.HexDigest());
}

TEST_F(AgentTest, HeartbeatsListTheLeaseWhileTheEngineIsBusy) {
  absl::Notification go_on;
  Start([&go_on](const auto&, const auto&, const auto&) {
    go_on.WaitForNotification();
    return job::AttemptResult{};
  });
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/0", 1)));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(coordinator_.Await(IsBusyHeartbeat).has_value());
  }
  go_on.Notify();
  EXPECT_TRUE(coordinator_.Await(IsCompleted).has_value());
}

TEST_F(AgentTest, AReconnectKeepsTheLeaseAndSendsUnacknowledgedChunksAgain) {
  coordinator_.set_acknowledges(false);
  Start([](const auto&, const job::AttemptCallbacks& callbacks,
           const CancelToken&) -> absl::StatusOr<job::AttemptResult> {
    const absl::Status sent = callbacks.on_predictions(MakePredictions(4));
    EXPECT_TRUE(sent.ok()) << sent;
    return job::AttemptResult{};
  });
  ASSERT_TRUE(coordinator_.Await(IsHello).has_value());
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/0", 7)));
  ASSERT_TRUE(coordinator_.Await(IsChunk).has_value());
  ASSERT_TRUE(coordinator_.Await(IsChunk).has_value());

  coordinator_.BreakStream();
  const auto hello = coordinator_.Await(IsHello);
  ASSERT_TRUE(hello.has_value());
  ASSERT_EQ(hello->hello().leases_size(), 1);
  EXPECT_EQ(hello->hello().leases(0).fencing_token(), 7U);
  for (int sequence = 0; sequence < 2; ++sequence) {
    const auto chunk = coordinator_.Await(IsChunk);
    ASSERT_TRUE(chunk.has_value());
    EXPECT_EQ(chunk->prediction_chunk().sequence(), sequence);
    EXPECT_FALSE(coordinator_.Has(IsCompleted));
    v1::CoordinatorMessage ack;
    *ack.mutable_chunk_ack()->mutable_lease() = chunk->prediction_chunk().lease();
    ack.mutable_chunk_ack()->set_sequence(sequence);
    ASSERT_TRUE(coordinator_.Send(ack));
  }
  ASSERT_TRUE(coordinator_.Await(IsCompleted).has_value());

  // Nor does the result get lost without its acknowledgement.
  coordinator_.BreakStream();
  EXPECT_TRUE(coordinator_.Await(IsCompleted).has_value());
}

TEST_F(AgentTest, AFullWindowHoldsTheEvaluationBack) {
  coordinator_.set_acknowledges(false);
  std::atomic<int> taken = 0;
  Start([&taken](const auto&, const job::AttemptCallbacks& callbacks,
                 const CancelToken&) -> absl::StatusOr<job::AttemptResult> {
    for (int i = 0; i < 8; ++i) {
      const absl::Status sent = callbacks.on_predictions(MakePredictions(1));
      if (!sent.ok()) {
        return sent;
      }
      ++taken;
    }
    return job::AttemptResult{};
  });
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/0", 1)));
  std::vector<v1::WorkerMessage> chunks;
  for (int i = 0; i < 2; ++i) {
    const auto chunk = coordinator_.Await(IsChunk);
    ASSERT_TRUE(chunk.has_value());
    chunks.push_back(*chunk);
  }
  // Two sealed chunks of two wait: the fifth prediction does, too.
  EXPECT_LE(taken.load(), 4);
  coordinator_.set_acknowledges(true);
  for (const v1::WorkerMessage& chunk : chunks) {
    v1::CoordinatorMessage ack;
    *ack.mutable_chunk_ack()->mutable_lease() = chunk.prediction_chunk().lease();
    ack.mutable_chunk_ack()->set_sequence(chunk.prediction_chunk().sequence());
    ASSERT_TRUE(coordinator_.Send(ack));
  }
  ASSERT_TRUE(coordinator_.Await(IsCompleted).has_value());
  EXPECT_EQ(taken.load(), 8);
}

TEST_F(AgentTest, ARevokedLeaseStopsTheAttemptAndSaysNothingMore) {
  absl::Notification started;
  absl::Notification stopped;
  absl::Status reason;
  std::atomic<int> calls = 0;
  Start([&](const auto&, const auto&,
            const CancelToken& cancel) -> absl::StatusOr<job::AttemptResult> {
    if (++calls > 1) {
      return job::AttemptResult{};
    }
    started.Notify();
    reason = AwaitCancel(cancel);
    stopped.Notify();
    return reason;
  });
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/0", 1)));
  ASSERT_TRUE(started.WaitForNotificationWithTimeout(kPatience));
  v1::CoordinatorMessage revoke;
  *revoke.mutable_revoke()->mutable_lease() = MakeAssign("runs/r/jobs/0", 1).assign().lease();
  revoke.mutable_revoke()->set_reason("the run was cancelled");
  ASSERT_TRUE(coordinator_.Send(revoke));
  ASSERT_TRUE(stopped.WaitForNotificationWithTimeout(kPatience));
  EXPECT_THAT(std::string(reason.message()), HasSubstr("the run was cancelled"));
  // The next job goes through; nothing was said about the first.
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/1", 1)));
  const auto completed = coordinator_.Await(IsCompleted);
  ASSERT_TRUE(completed.has_value());
  EXPECT_EQ(completed->completed().lease().job(), "runs/r/jobs/1");
  EXPECT_FALSE(coordinator_.Has(IsFailed));
}

TEST_F(AgentTest, WithoutACoordinatorForALeaseDurationTheAttemptStopsByItself) {
  coordinator_.set_times(absl::Milliseconds(10), absl::Seconds(1));
  absl::Notification started;
  absl::Notification stopped;
  Start([&](const auto&, const auto&,
            const CancelToken& cancel) -> absl::StatusOr<job::AttemptResult> {
    started.Notify();
    const absl::Status reason = AwaitCancel(cancel);
    stopped.Notify();
    return reason;
  });
  ASSERT_TRUE(coordinator_.Await(IsHello).has_value());
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/0", 1)));
  ASSERT_TRUE(started.WaitForNotificationWithTimeout(kPatience));
  coordinator_.set_refusal(grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone"));
  coordinator_.BreakStream();
  ASSERT_TRUE(stopped.WaitForNotificationWithTimeout(kPatience));
  // Back again, it does not claim the lease.
  coordinator_.set_refusal(grpc::Status::OK);
  const auto hello = coordinator_.Await(IsHello);
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->hello().leases_size(), 0);
}

TEST_F(AgentTest, LeasesThatWelcomeDoesNotKeepAreCancelled) {
  absl::Notification started;
  absl::Notification stopped;
  Start([&](const auto&, const auto&,
            const CancelToken& cancel) -> absl::StatusOr<job::AttemptResult> {
    started.Notify();
    const absl::Status reason = AwaitCancel(cancel);
    stopped.Notify();
    return reason;
  });
  ASSERT_TRUE(coordinator_.Await(IsHello).has_value());
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/0", 1)));
  ASSERT_TRUE(started.WaitForNotificationWithTimeout(kPatience));
  coordinator_.set_welcomes(false);
  coordinator_.BreakStream();
  ASSERT_TRUE(coordinator_.Await(IsHello).has_value());
  v1::CoordinatorMessage welcome;
  welcome.mutable_welcome()->set_protocol_version(1);
  welcome.mutable_welcome()->mutable_heartbeat_interval()->set_seconds(1);
  welcome.mutable_welcome()->mutable_lease_duration()->set_seconds(5);
  ASSERT_TRUE(coordinator_.Send(welcome));
  EXPECT_TRUE(stopped.WaitForNotificationWithTimeout(kPatience));
}

TEST_F(AgentTest, ACoordinatorsDrainLetsTheAttemptEndThenTheAgentLeaves) {
  absl::Notification started;
  absl::Notification go_on;
  Start([&](const auto&, const auto&, const auto&) {
    started.Notify();
    go_on.WaitForNotification();
    return job::AttemptResult{};
  });
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/0", 1)));
  ASSERT_TRUE(started.WaitForNotificationWithTimeout(kPatience));
  v1::CoordinatorMessage drain;
  drain.mutable_drain();
  ASSERT_TRUE(coordinator_.Send(drain));
  ASSERT_TRUE(coordinator_.Await(IsBusyHeartbeat).has_value());
  EXPECT_FALSE(ended_.HasBeenNotified());
  go_on.Notify();
  EXPECT_TRUE(coordinator_.Await(IsCompleted).has_value());
  ASSERT_TRUE(AwaitEnd());
  EXPECT_TRUE(status_.ok()) << status_;
}

TEST_F(AgentTest, ADrainWhoseTimeIsUpGivesTheLeaseBack) {
  absl::Notification started;
  Start([&](const auto&, const auto&,
            const CancelToken& cancel) -> absl::StatusOr<job::AttemptResult> {
    started.Notify();
    return AwaitCancel(cancel);
  });
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/0", 3)));
  ASSERT_TRUE(started.WaitForNotificationWithTimeout(kPatience));
  agent_->Drain(absl::Hours(1));
  const auto draining = coordinator_.Await(IsDraining);
  ASSERT_TRUE(draining.has_value());
  EXPECT_EQ(draining->draining().released_size(), 0);
  agent_->Drain(absl::ZeroDuration());
  const auto released = coordinator_.Await(IsDraining);
  ASSERT_TRUE(released.has_value());
  ASSERT_EQ(released->draining().released_size(), 1);
  EXPECT_EQ(released->draining().released(0).fencing_token(), 3U);
  ASSERT_TRUE(AwaitEnd());
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_FALSE(coordinator_.Has(IsFailed));
}

TEST_F(AgentTest, AnIdleAgentDrainsAtOnce) {
  Start([](const auto&, const auto&, const auto&) { return job::AttemptResult{}; });
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  agent_->Drain(absl::Hours(1));
  ASSERT_TRUE(AwaitEnd());
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_TRUE(coordinator_.Has(IsDraining));
}

TEST_F(AgentTest, ADuplicateAssignRunsOnce) {
  std::atomic<int> calls = 0;
  Start([&calls](const auto&, const auto&, const auto&) {
    ++calls;
    return job::AttemptResult{};
  });
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/0", 1)));
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/0", 1)));
  ASSERT_TRUE(coordinator_.Await(IsCompleted).has_value());
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/0", 1)));
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/1", 1)));
  const auto second = coordinator_.Await(IsCompleted);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->completed().lease().job(), "runs/r/jobs/1");
  EXPECT_EQ(calls.load(), 2);
}

TEST_F(AgentTest, WhatSavesMemoryIsHandedOn) {
  std::atomic<int> halvings = -1;
  std::atomic<bool> on_host = false;
  Start([&halvings, &on_host](const job::AttemptSpec& spec, const auto&,
                              const auto&) -> absl::StatusOr<job::AttemptResult> {
    halvings = spec.micro_batch_halvings;
    on_host = spec.optimizer_on_host;
    return absl::ResourceExhaustedError("out of memory at step 2");
  });
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  v1::CoordinatorMessage message = MakeAssign("runs/r/jobs/0", 1, 3);
  message.mutable_assign()->mutable_spec()->set_optimizer_on_host(true);
  ASSERT_TRUE(coordinator_.Send(message));
  const auto failed = coordinator_.Await(IsFailed);
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(halvings.load(), 3);
  EXPECT_TRUE(on_host.load());
  EXPECT_EQ(failed->failed().failure_class(), v1::FAILURE_CLASS_RESOURCE);
  EXPECT_EQ(failed->failed().message(), "out of memory at step 2");
}

TEST_F(AgentTest, AnAssignThatItDoesNotUnderstandFailsAsInput) {
  Start([](const auto&, const auto&, const auto&) { return job::AttemptResult{}; });
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  v1::CoordinatorMessage assign = MakeAssign("runs/r/jobs/0", 1);
  assign.mutable_assign()->mutable_spec()->add_probe_sets("forget_levl1");
  ASSERT_TRUE(coordinator_.Send(assign));
  const auto failed = coordinator_.Await(IsFailed);
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->failed().failure_class(), v1::FAILURE_CLASS_INPUT);
  EXPECT_THAT(failed->failed().message(), HasSubstr("forget_levl1"));
}

TEST_F(AgentTest, ARefusalForGoodEndsRunWithItsReason) {
  coordinator_.set_refusal(
      grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "worker speaks 1, coordinator 2"));
  Start([](const auto&, const auto&, const auto&) { return job::AttemptResult{}; });
  ASSERT_TRUE(AwaitEnd());
  EXPECT_EQ(status_.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status_.message()), HasSubstr("coordinator 2"));
  EXPECT_EQ(coordinator_.streams(), 1);
}

TEST_F(AgentTest, ALostDeviceIsReportedThenTheAgentLeaves) {
  Start([](const auto&, const auto&, const auto&) -> absl::StatusOr<job::AttemptResult> {
    return engine::DeviceLostError("the device is gone");
  });
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/0", 1)));
  const auto failed = coordinator_.Await(IsFailed);
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->failed().failure_class(), v1::FAILURE_CLASS_INFRASTRUCTURE);
  ASSERT_TRUE(AwaitEnd());
  EXPECT_TRUE(engine::IsDeviceLost(status_)) << status_;
}

TEST_F(AgentTest, AnAttemptThatHangsIsReportedBeforeTheProcessIsToldToEnd) {
  absl::Notification go_on;
  absl::Notification stuck;
  AgentOptions options;
  options.state.stall_timeout = absl::Milliseconds(20);
  options.state.abort_timeout = absl::Milliseconds(20);
  options.on_stuck = [&](const v1::Lease& lease) {
    EXPECT_EQ(lease.job(), "runs/r/jobs/0");
    if (!stuck.HasBeenNotified()) {
      stuck.Notify();
    }
  };
  Start(
      [&go_on](const auto&, const auto&, const auto&) {
        go_on.WaitForNotification();  // deaf to its cancel token
        return job::AttemptResult{};
      },
      std::move(options));
  ASSERT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
  ASSERT_TRUE(coordinator_.Send(MakeAssign("runs/r/jobs/0", 1)));
  const auto failed = coordinator_.Await(IsFailed);
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->failed().failure_class(), v1::FAILURE_CLASS_INFRASTRUCTURE);
  EXPECT_THAT(failed->failed().message(), HasSubstr("no progress for 20ms"));
  ASSERT_TRUE(stuck.WaitForNotificationWithTimeout(kPatience));
  // The daemon has ended the process by now.
  go_on.Notify();
  ASSERT_TRUE(AwaitEnd());
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(coordinator_.Has(IsCompleted));
}

TEST_F(AgentTest, AnUnavailableCoordinatorIsTriedAgain) {
  coordinator_.set_refusal(grpc::Status(grpc::StatusCode::UNAVAILABLE, "starting"));
  Start([](const auto&, const auto&, const auto&) { return job::AttemptResult{}; });
  ASSERT_TRUE(coordinator_.AwaitStreamsEnded(3));
  coordinator_.set_refusal(grpc::Status::OK);
  EXPECT_TRUE(coordinator_.Await(IsHeartbeat).has_value());
}

}  // namespace
}  // namespace rwku::agent
