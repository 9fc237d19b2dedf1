#include "worker/agent/agent_state.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "worker/agent/convert.h"
#include "worker/engine/device_lost.h"

namespace rwku::agent {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;

constexpr absl::Duration kStart = absl::Seconds(1000);

AgentStateOptions Options() {
  AgentStateOptions options;
  options.worker = "w0";
  options.incarnation = "one";
  options.version = "1.2.3";
  return options;
}

v1::CoordinatorMessage MakeWelcome() {
  v1::CoordinatorMessage message;
  message.mutable_welcome()->set_protocol_version(1);
  message.mutable_welcome()->set_server_version("9.9.9");
  message.mutable_welcome()->mutable_heartbeat_interval()->set_seconds(3);
  message.mutable_welcome()->mutable_lease_duration()->set_seconds(15);
  return message;
}

v1::CoordinatorMessage MakeAssign(const std::string& job, uint64_t token) {
  v1::CoordinatorMessage message;
  v1::Assign* assign = message.mutable_assign();
  assign->mutable_lease()->set_job(job);
  assign->mutable_lease()->set_fencing_token(token);
  assign->mutable_spec()->mutable_recipe()->set_tuning(v1::TUNING_KIND_NONE);
  return message;
}

// A state whose stream is welcomed at kStart and whose first heartbeat is out.
class AgentStateTest : public ::testing::Test {
 protected:
  explicit AgentStateTest(const AgentStateOptions& options = Options()) : state_(options) {
    Connect(MakeWelcome());
  }

  void Connect(const v1::CoordinatorMessage& welcome) {
    state_.OnConnected();
    EXPECT_TRUE(state_.NextWrite(kStart)->has_hello());
    state_.OnWritten();
    EXPECT_TRUE(state_.OnMessage(welcome, kStart).ok());
    EXPECT_TRUE(state_.NextWrite(kStart)->has_heartbeat());
    state_.OnWritten();
  }

  void Take(const v1::CoordinatorMessage& message, absl::Duration now = kStart) {
    EXPECT_TRUE(state_.OnMessage(message, now).ok());
  }

  AgentState state_;
};

TEST_F(AgentStateTest, HeartbeatsComeAtTheIntervalOfWelcome) {
  EXPECT_FALSE(state_.NextWrite(kStart + absl::Milliseconds(2999)).has_value());
  EXPECT_EQ(state_.NextDeadline(/*may_write=*/true), kStart + absl::Seconds(3));
  EXPECT_TRUE(state_.NextWrite(kStart + absl::Seconds(3))->has_heartbeat());
}

TEST_F(AgentStateTest, NothingButHelloIsWrittenBeforeWelcome) {
  AgentState state(Options());
  state.OnConnected();
  EXPECT_TRUE(state.NextWrite(kStart)->has_hello());
  state.OnWritten();
  EXPECT_FALSE(state.NextWrite(kStart + absl::Hours(1)).has_value());
}

TEST_F(AgentStateTest, AWelcomeOfAnotherProtocolNamesBothVersions) {
  AgentState state(Options());
  state.OnConnected();
  v1::CoordinatorMessage welcome = MakeWelcome();
  welcome.mutable_welcome()->set_protocol_version(77);
  const absl::Status status = state.OnMessage(welcome, kStart);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("version 1"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("version 77"));
}

TEST_F(AgentStateTest, ALeaseIsOverALeaseDurationAfterTheLastHeartbeatThatWasSent) {
  Take(MakeAssign("runs/r/jobs/0", 1));
  Attempt* attempt = state_.TakeNext();
  ASSERT_NE(attempt, nullptr);
  ASSERT_TRUE(state_.NextWrite(kStart + absl::Seconds(3))->has_heartbeat());
  state_.OnWritten();
  state_.OnDisconnected();
  state_.CheckLeases(kStart + absl::Seconds(17));
  EXPECT_FALSE(attempt->cancel.cancelled());
  EXPECT_EQ(state_.NextDeadline(/*may_write=*/false), kStart + absl::Seconds(18));
  state_.CheckLeases(kStart + absl::Seconds(18));
  EXPECT_TRUE(attempt->cancel.cancelled());
  EXPECT_TRUE(state_.Leases().empty());
}

TEST_F(AgentStateTest, AHeartbeatThatWasNotHandedOverRenewsNothing) {
  Take(MakeAssign("runs/r/jobs/0", 1));
  Attempt* attempt = state_.TakeNext();
  ASSERT_TRUE(state_.NextWrite(kStart + absl::Seconds(3))->has_heartbeat());
  state_.OnDisconnected();
  state_.CheckLeases(kStart + absl::Seconds(15));
  EXPECT_TRUE(attempt->cancel.cancelled());
}

TEST_F(AgentStateTest, AFinishedResultOutlivesTheLeaseDuration) {
  Take(MakeAssign("runs/r/jobs/0", 1));
  state_.OnAttemptEnd(state_.TakeNext(), job::AttemptResult{}, kStart);
  state_.OnDisconnected();
  state_.CheckLeases(kStart + absl::Hours(1));
  EXPECT_EQ(state_.Leases().size(), 1U);
}

TEST_F(AgentStateTest, ANewerLeaseOfAJobEndsTheOlderOne) {
  Take(MakeAssign("runs/r/jobs/0", 1));
  const Attempt* older = state_.TakeNext();
  Take(MakeAssign("runs/r/jobs/0", 2));
  EXPECT_TRUE(older->cancel.cancelled());
  ASSERT_EQ(state_.Leases().size(), 1U);
  EXPECT_EQ(state_.Leases()[0].fencing_token(), 2U);
}

TEST_F(AgentStateTest, AnAssignWhileDrainingIsGivenBack) {
  state_.Drain();
  Take(MakeAssign("runs/r/jobs/0", 1));
  EXPECT_FALSE(state_.Drained());
  const auto draining = state_.NextWrite(kStart);
  ASSERT_TRUE(draining.has_value());
  ASSERT_EQ(draining->draining().released_size(), 1);
  EXPECT_TRUE(state_.Drained());
}

TEST_F(AgentStateTest, ALeaseGivenBackJustBeforeABreakIsToldOnTheNextStream) {
  state_.Drain();
  ASSERT_TRUE(state_.NextWrite(kStart)->has_draining());
  state_.OnWritten();
  Take(MakeAssign("runs/r/jobs/0", 1));
  state_.OnDisconnected();
  Connect(MakeWelcome());
  const auto draining = state_.NextWrite(kStart);
  ASSERT_TRUE(draining.has_value());
  ASSERT_EQ(draining->draining().released_size(), 1);
  EXPECT_EQ(draining->draining().released(0).job(), "runs/r/jobs/0");
}

v1::CoordinatorMessage MakeGangAssign(int rank) {
  v1::CoordinatorMessage message = MakeAssign("runs/r/jobs/0", 1);
  message.mutable_assign()->set_world_size(2);
  message.mutable_assign()->set_rank(rank);
  message.mutable_assign()->set_rendezvous("10.0.0.1:7460");
  return message;
}

TEST_F(AgentStateTest, RankOfAGangKnowsItsPlace) {
  Take(MakeGangAssign(1));
  const Attempt* attempt = state_.TakeNext();
  EXPECT_EQ(attempt->spec.gang.world_size, 2);
  EXPECT_EQ(attempt->spec.gang.rank, 1);
  EXPECT_EQ(attempt->spec.gang.rendezvous, "10.0.0.1:7460");
  EXPECT_EQ(attempt->spec.gang.name, "runs/r/jobs/0#1");
  EXPECT_EQ(attempt->spec.gang.timeout, Options().gang_timeout);
}

TEST_F(AgentStateTest, RankWithoutAResultOfItsOwnHoldsItsLeaseUntilItIsAcknowledged) {
  Take(MakeGangAssign(1));
  Attempt* attempt = state_.TakeNext();
  attempt->SetProgress({.stage = job::Stage::kUnlearn, .done = 1, .total = 9, .loss = {}});
  state_.OnAttemptEnd(attempt, job::AttemptResult{}, kStart);
  EXPECT_FALSE(state_.NextWrite(kStart).has_value());  // neither progress nor result
  EXPECT_EQ(state_.TakeNext(), nullptr);
  const auto heartbeat = state_.NextWrite(kStart + absl::Seconds(3));
  ASSERT_TRUE(heartbeat.has_value());
  EXPECT_EQ(heartbeat->heartbeat().leases_size(), 1);
  v1::CoordinatorMessage ack;
  *ack.mutable_result_ack()->mutable_lease() = attempt->lease;
  Take(ack);
  EXPECT_TRUE(state_.Empty());
}

TEST_F(AgentStateTest, RankThatIsAcknowledgedBeforeItsPartHasEndedGoesOnToItsEnd) {
  Take(MakeGangAssign(1));
  Attempt* attempt = state_.TakeNext();
  v1::CoordinatorMessage ack;
  *ack.mutable_result_ack()->mutable_lease() = attempt->lease;
  Take(ack);
  EXPECT_FALSE(state_.Empty());
  EXPECT_FALSE(attempt->cancel.cancelled());
  state_.CheckLeases(kStart);
  EXPECT_EQ(state_.FindStuck(kStart), nullptr);
  EXPECT_EQ(state_.FindStuck(kStart + Options().abort_timeout), attempt);
  state_.OnAttemptEnd(attempt, job::AttemptResult{}, kStart);
  EXPECT_TRUE(state_.Empty());
  EXPECT_FALSE(state_.NextWrite(kStart).has_value());
}

TEST_F(AgentStateTest, FailureOfAnyRankIsTold) {
  Take(MakeGangAssign(1));
  state_.OnAttemptEnd(state_.TakeNext(), absl::UnavailableError("rank 0 is gone"), kStart);
  const auto failed = state_.NextWrite(kStart);
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->failed().failure_class(), v1::FAILURE_CLASS_INFRASTRUCTURE);
}

TEST_F(AgentStateTest, GangWithoutAPlaceIsAFailureOfTheInput) {
  for (const int rank : {-1, 2}) {
    AgentState state(Options());
    state.OnConnected();
    ASSERT_TRUE(state.NextWrite(kStart)->has_hello());
    ASSERT_TRUE(state.OnMessage(MakeWelcome(), kStart).ok());
    ASSERT_TRUE(state.NextWrite(kStart)->has_heartbeat());
    ASSERT_TRUE(state.OnMessage(MakeGangAssign(rank), kStart).ok());
    const auto failed = state.NextWrite(kStart);
    ASSERT_TRUE(failed.has_value());
    EXPECT_EQ(failed->failed().failure_class(), v1::FAILURE_CLASS_INPUT);
    EXPECT_THAT(failed->failed().message(), HasSubstr("of 2 at rendezvous"));
  }
}

TEST_F(AgentStateTest, AnAttemptThatWasGivenUpAndDoesNotEndIsStuck) {
  Take(MakeAssign("runs/r/jobs/0", 1));
  Attempt* attempt = state_.TakeNext();
  v1::CoordinatorMessage revoke;
  *revoke.mutable_revoke()->mutable_lease() = attempt->lease;
  Take(revoke);
  state_.CheckLeases(kStart);
  EXPECT_EQ(state_.FindStuck(kStart + absl::Seconds(59)), nullptr);
  EXPECT_EQ(state_.NextDeadline(/*may_write=*/false), kStart + absl::Seconds(60));
  state_.CheckLeases(kStart + absl::Seconds(59));
  EXPECT_EQ(state_.FindStuck(kStart + absl::Seconds(60)), attempt);
  state_.OnAttemptEnd(attempt, absl::CancelledError("revoked"), kStart);
  EXPECT_EQ(state_.FindStuck(kStart + absl::Hours(1)), nullptr);
}

AgentStateOptions OptionsWithStallTimeout() {
  AgentStateOptions options = Options();
  options.stall_timeout = absl::Minutes(10);
  options.abort_timeout = absl::Minutes(1);
  options.report_timeout = absl::Seconds(20);
  return options;
}

// With an attempt that runs.
class AgentStallTest : public AgentStateTest {
 protected:
  AgentStallTest() : AgentStateTest(OptionsWithStallTimeout()) {
    Take(MakeAssign("runs/r/jobs/0", 1));
    attempt_ = state_.TakeNext();
    state_.CheckStalls(now_);
  }

  void LookAfter(absl::Duration time) {
    now_ += time;
    state_.CheckStalls(now_);
  }

  // The next message but heartbeats.
  std::optional<v1::WorkerMessage> NextMessage() {
    auto message = state_.NextWrite(now_);
    while (message.has_value() && message->has_heartbeat()) {
      state_.OnWritten();
      message = state_.NextWrite(now_);
    }
    return message;
  }

  void AcknowledgeResult() {
    v1::CoordinatorMessage ack;
    *ack.mutable_result_ack()->mutable_lease() = attempt_->lease;
    Take(ack, now_);
  }

  Attempt* attempt_ = nullptr;
  absl::Duration now_ = kStart;
};

TEST_F(AgentStallTest, EverySignOfLifePutsTheEndOff) {
  const std::function<void()> signs[] = {
      [this] {
        attempt_->SetProgress({.stage = job::Stage::kUnlearn, .done = 3, .total = 9, .loss = {}});
      },
      [this] { attempt_->SetAlive(); },
      [this] { EXPECT_TRUE(attempt_->cancel.Check().ok()); },
  };
  for (const std::function<void()>& sign : signs) {
    LookAfter(absl::Minutes(9));
    EXPECT_FALSE(attempt_->cancel.cancelled());
    sign();
    LookAfter(absl::Minutes(5));
    EXPECT_FALSE(attempt_->cancel.cancelled());
  }
  EXPECT_EQ(state_.NextDeadline(/*may_write=*/false), kStart + absl::Seconds(15));
}

TEST_F(AgentStallTest, WithoutOneItIsCancelledAndReportedAsInfrastructure) {
  attempt_->SetProgress({.stage = job::Stage::kUnlearn, .done = 3, .total = 9, .loss = {}});
  LookAfter(absl::ZeroDuration());
  LookAfter(absl::Minutes(10) - absl::Seconds(1));
  EXPECT_FALSE(attempt_->cancel.cancelled());
  LookAfter(absl::Seconds(1));
  ASSERT_TRUE(attempt_->cancel.cancelled());
  EXPECT_EQ(state_.FindStuck(now_), nullptr);
  // Whatever the engine makes of it.
  state_.OnAttemptEnd(attempt_, absl::InternalError("stopped"), now_);
  std::optional<v1::WorkerMessage> message = NextMessage();
  while (message.has_value() && !message->has_failed()) {
    message = NextMessage();
  }
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->failed().failure_class(), v1::FAILURE_CLASS_INFRASTRUCTURE);
  EXPECT_EQ(message->failed().message(), "no progress for 10m since unlearn 3/9");
  EXPECT_TRUE(state_.broken().ok());
  EXPECT_FALSE(state_.draining());
}

TEST_F(AgentStallTest, AResultInTheLastMomentCounts) {
  LookAfter(absl::Minutes(10));
  ASSERT_TRUE(attempt_->cancel.cancelled());
  state_.OnAttemptEnd(attempt_, job::AttemptResult{}, now_);
  EXPECT_TRUE(NextMessage()->has_completed());
}

TEST_F(AgentStallTest, OneThatDoesNotEndIsReportedBeforeTheProcessEnds) {
  LookAfter(absl::Minutes(10));
  LookAfter(absl::Seconds(59));
  EXPECT_TRUE(state_.broken().ok());
  LookAfter(absl::Seconds(1));
  EXPECT_EQ(state_.broken().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(state_.FindStuck(now_), nullptr);
  EXPECT_EQ(state_.report_by(), now_ + absl::Seconds(20));
  // No new lease comes to a process that is about to end.
  EXPECT_TRUE(NextMessage()->has_draining());
  const auto failed = NextMessage();
  ASSERT_TRUE(failed.has_value() && failed->has_failed());
  EXPECT_EQ(failed->failed().failure_class(), v1::FAILURE_CLASS_INFRASTRUCTURE);
  EXPECT_EQ(state_.FindStuck(now_), nullptr);
  AcknowledgeResult();
  EXPECT_EQ(state_.FindStuck(now_), attempt_);
}

TEST_F(AgentStallTest, AReportThatNobodyAcknowledgesHoldsTheProcessForItsTimeOnly) {
  LookAfter(absl::Minutes(10));
  LookAfter(absl::Minutes(1));
  EXPECT_EQ(state_.FindStuck(now_ + absl::Seconds(19)), nullptr);
  EXPECT_EQ(state_.FindStuck(now_ + absl::Seconds(20)), attempt_);
  EXPECT_LE(state_.NextDeadline(/*may_write=*/false), now_ + absl::Seconds(20));
}

TEST_F(AgentStallTest, OneThatEndsAfterItsReportIsGone) {
  LookAfter(absl::Minutes(10));
  LookAfter(absl::Minutes(1));
  while (NextMessage().has_value()) {
  }
  AcknowledgeResult();
  state_.OnAttemptEnd(attempt_, job::AttemptResult{}, now_);
  EXPECT_TRUE(state_.Empty());
  EXPECT_EQ(state_.FindStuck(now_ + absl::Hours(1)), nullptr);
  EXPECT_TRUE(state_.Drained());
}

TEST_F(AgentStallTest, WaitingForTheCoordinatorIsNoStall) {
  attempt_->waits_for_room = true;
  LookAfter(absl::Hours(2));
  attempt_->waits_for_room = false;
  LookAfter(absl::Minutes(9));
  EXPECT_FALSE(attempt_->cancel.cancelled());
}

TEST_F(AgentStateTest, ALostDeviceIsToldAndNoLeaseIsTakenAnyMore) {
  Take(MakeAssign("runs/r/jobs/0", 1));
  state_.OnAttemptEnd(state_.TakeNext(), engine::DeviceLostError("the device is gone"), kStart);
  EXPECT_TRUE(engine::IsDeviceLost(state_.broken()));
  EXPECT_TRUE(state_.NextWrite(kStart)->has_draining());
  const auto failed = state_.NextWrite(kStart);
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->failed().failure_class(), v1::FAILURE_CLASS_INFRASTRUCTURE);
  EXPECT_EQ(failed->failed().message(), "the device is gone");
  EXPECT_FALSE(state_.Drained());
  v1::CoordinatorMessage ack;
  *ack.mutable_result_ack()->mutable_lease() = failed->failed().lease();
  Take(ack);
  EXPECT_TRUE(state_.Drained());
}

TEST_F(AgentStateTest, TheNewestProgressReplacesWhatWaits) {
  Take(MakeAssign("runs/r/jobs/0", 1));
  Attempt* attempt = state_.TakeNext();
  for (int step = 1; step <= 3; ++step) {
    attempt->SetProgress({.stage = job::Stage::kUnlearn, .done = step, .total = 9, .loss = -1.5});
  }
  const auto progress = state_.NextWrite(kStart);
  ASSERT_TRUE(progress.has_value());
  EXPECT_EQ(progress->progress().progress().done(), 3);
  EXPECT_EQ(progress->progress().progress().stage(), "unlearn");
  attempt->SetProgress({.stage = job::Stage::kUnlearn, .done = 4, .total = 9, .loss = {}});
  EXPECT_FALSE(state_.NextWrite(kStart).has_value());
  EXPECT_TRUE(state_.NextWrite(kStart + absl::Seconds(1))->has_progress());
}

TEST_F(AgentStateTest, ALongTrainingCurveIsThinnedBetweenItsEnds) {
  Take(MakeAssign("runs/r/jobs/0", 1));
  job::AttemptResult result;
  for (int step = 1; step <= 200000; ++step) {
    result.training_curve.push_back({.step = step});
  }
  state_.OnAttemptEnd(state_.TakeNext(), result, kStart);
  const auto message = state_.NextWrite(kStart);
  ASSERT_TRUE(message.has_value());
  const auto& curve = message->completed().result().training_curve();
  ASSERT_EQ(curve.size(), 2000);
  EXPECT_EQ(curve.begin()->step(), 1);
  EXPECT_EQ(curve.rbegin()->step(), 200000);
  for (int i = 1; i < curve.size(); ++i) {
    ASSERT_THAT(curve[i].step() - curve[i - 1].step(), AllOf(Ge(100), Le(101)));
  }
  EXPECT_LT(message->ByteSizeLong(), size_t{1} << 18);
}

TEST_F(AgentStateTest, AShortTrainingCurveStaysWhole) {
  for (const int steps : {0, 1, 2, 1999, 2000, 2001}) {
    job::AttemptResult result;
    for (int step = 1; step <= steps; ++step) {
      result.training_curve.push_back({.step = step});
    }
    const v1::JobResult proto = ToProto(result);
    ASSERT_EQ(proto.training_curve_size(), std::min(steps, 2000));
    if (steps > 0) {
      EXPECT_EQ(proto.training_curve().rbegin()->step(), steps);
    }
  }
}

TEST_F(AgentStateTest, AFailureIsToldInAtMostFourKibibytesOfUtf8) {
  Take(MakeAssign("runs/r/jobs/0", 1));
  std::string text = "bad byte \xff ";
  while (text.size() < 10000) {
    text += "\xc3\xa9";
  }
  state_.OnAttemptEnd(state_.TakeNext(), absl::InternalError(text), kStart);
  const auto message = state_.NextWrite(kStart);
  ASSERT_TRUE(message.has_value());
  const std::string& told = message->failed().message();
  EXPECT_EQ(told.substr(0, 13), "bad byte ? \xc3\xa9");
  EXPECT_EQ(told.size(), 4095U);  // the next character has two bytes
}

struct FailureCase {
  std::string name;
  absl::Status error;
  v1::FailureClass expected;
};

class FailureClassTest : public ::testing::TestWithParam<FailureCase> {};

TEST_P(FailureClassTest, IsTheOneThatTheErrorStandsFor) {
  AgentState state(Options());
  state.OnConnected();
  ASSERT_TRUE(state.NextWrite(kStart)->has_hello());
  ASSERT_TRUE(state.OnMessage(MakeWelcome(), kStart).ok());
  ASSERT_TRUE(state.NextWrite(kStart)->has_heartbeat());
  ASSERT_TRUE(state.OnMessage(MakeAssign("runs/r/jobs/0", 1), kStart).ok());
  state.OnAttemptEnd(state.TakeNext(), GetParam().error, kStart);
  const auto failed = state.NextWrite(kStart);
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->failed().failure_class(), GetParam().expected);
  EXPECT_EQ(failed->failed().message(), "why");
}

INSTANTIATE_TEST_SUITE_P(
    Table, FailureClassTest,
    ::testing::Values(
        FailureCase{"Resource", absl::ResourceExhaustedError("why"), v1::FAILURE_CLASS_RESOURCE},
        FailureCase{"Numeric", absl::DataLossError("why"), v1::FAILURE_CLASS_NUMERIC},
        FailureCase{"Argument", absl::InvalidArgumentError("why"), v1::FAILURE_CLASS_INPUT},
        FailureCase{"Missing", absl::NotFoundError("why"), v1::FAILURE_CLASS_INTERNAL},
        FailureCase{"Unimplemented", absl::UnimplementedError("why"), v1::FAILURE_CLASS_INPUT},
        FailureCase{"Unavailable", absl::UnavailableError("why"), v1::FAILURE_CLASS_INFRASTRUCTURE},
        FailureCase{"Internal", absl::InternalError("why"), v1::FAILURE_CLASS_INTERNAL},
        FailureCase{"Unknown", absl::UnknownError("why"), v1::FAILURE_CLASS_INTERNAL}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rwku::agent
