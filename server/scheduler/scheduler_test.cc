// Leases, failures and workers.
#include "server/scheduler/scheduler.h"

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/scheduler/scheduler_fixture.h"
#include "server/scheduler/transition.h"

namespace rwku::scheduler {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(SchedulerTest, AConnectedWorkerGetsTheFirstJobOfANewRun) {
  Connect("w");
  const Decision decision = Do(MakeRun("r", 2));
  EXPECT_TRUE(decision.verdict.ok());
  EXPECT_THAT(Assigned(decision), ElementsAre("w:r/0:1"));
  EXPECT_EQ(Job("r", 0).state, JobState::kLeased);
  EXPECT_EQ(Job("r", 0).attempts, 1);
  EXPECT_EQ(Job("r", 1).state, JobState::kQueued);
}

TEST_F(SchedulerTest, ACompletionEndsTheJobAndFreesTheWorkerForTheNext) {
  Connect("w");
  Do(MakeRun("r", 2));
  const Decision decision = Complete("w", LeaseOf("r", 0, 1), "42");
  EXPECT_TRUE(decision.verdict.ok());
  EXPECT_THAT(Assigned(decision), ElementsAre("w:r/1:1"));
  EXPECT_EQ(Job("r", 0).state, JobState::kSucceeded);
  EXPECT_EQ(Job("r", 0).result, "42");
  EXPECT_EQ(Job("r", 0).worker, WorkerId("w"));
  EXPECT_EQ(Run("r").state, RunState::kRunning);
  Complete("w", LeaseOf("r", 1, 1));
  EXPECT_EQ(Run("r").state, RunState::kSucceeded);
  EXPECT_TRUE(Run("r").end_time.has_value());
}

TEST_F(SchedulerTest, ARepeatedCompletionIsAcceptedWithoutChanges) {
  Connect("w");
  Do(MakeRun("r", 1));
  Complete("w", LeaseOf("r", 0, 1), "42");
  const Decision repeat = Complete("w", LeaseOf("r", 0, 1), "42");
  EXPECT_TRUE(repeat.verdict.ok());
  EXPECT_THAT(repeat.changes, IsEmpty());
  const Decision other = Complete("w", LeaseOf("r", 0, 1), "43");
  EXPECT_EQ(other.verdict.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Job("r", 0).result, "42");
}

TEST_F(SchedulerTest, AStaleCompletionIsRefusedAndRevoked) {
  Connect("a");
  Do(MakeRun("r", 1));
  Advance(options_.lease_duration);
  Do(Tick{});
  Advance(options_.loss_backoff_base);
  Connect("b");
  ASSERT_EQ(Job("r", 0).worker, WorkerId("b"));
  const Decision decision = Complete("a", LeaseOf("r", 0, 1));
  EXPECT_EQ(decision.verdict.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Revoked(decision), ElementsAre("a:r/0:1"));
  EXPECT_EQ(Job("r", 0).state, JobState::kLeased);
  EXPECT_FALSE(scheduler_->CheckLease(WorkerId("a"), LeaseOf("r", 0, 1)).ok());
  EXPECT_TRUE(scheduler_->CheckLease(WorkerId("b"), LeaseOf("r", 0, 2)).ok());
}

TEST_F(SchedulerTest, AHeartbeatThatListsTheLeaseKeepsIt) {
  Connect("w");
  Do(MakeRun("r", 1));
  for (int i = 0; i < 5; ++i) {
    Advance(options_.lease_duration - absl::Seconds(1));
    EXPECT_THAT(Heartbeat("w", {LeaseOf("r", 0, 1)}).changes, IsEmpty());
  }
  EXPECT_EQ(Job("r", 0).state, JobState::kLeased);
  EXPECT_EQ(scheduler_->NextDeadline(), now_.monotonic + options_.lease_duration);
}

TEST_F(SchedulerTest, ALeaseExpiresWithItsChunksAndCountsAsLost) {
  Connect("w");
  Do(MakeRun("r", 1));
  Advance(options_.lease_duration - absl::Milliseconds(1));
  EXPECT_THAT(Do(Tick{}).changes, IsEmpty());
  Advance(absl::Milliseconds(1));
  const Decision decision = Do(Tick{});
  EXPECT_THAT(ErasedAttempts(decision), ElementsAre("r/0:1"));
  EXPECT_THAT(Revoked(decision), ElementsAre("w:r/0:1"));
  EXPECT_THAT(Assigned(decision), IsEmpty());  // the worker has been silent
  EXPECT_EQ(Job("r", 0).state, JobState::kQueued);
  EXPECT_EQ(Job("r", 0).failures, 0);
  EXPECT_EQ(Job("r", 0).lost_attempts, 1);
  EXPECT_EQ(Job("r", 0).last_failure->failure_class, FailureClass::kInfrastructure);
  EXPECT_THAT(Assigned(Heartbeat("w")), IsEmpty());
  Advance(options_.loss_backoff_base);
  EXPECT_THAT(Assigned(Do(Tick{})), ElementsAre("w:r/0:2"));
}

TEST_F(SchedulerTest, ALeaseThatAWellWorkerNeverListsExpiresButIsNotCountedAsLost) {
  Connect("w");
  Do(MakeRun("r", 1));
  Advance(options_.lease_duration / 2);
  Heartbeat("w");
  Advance(options_.lease_duration / 2);
  EXPECT_THAT(Assigned(Do(Tick{})), ElementsAre("w:r/0:2"));
  EXPECT_EQ(Job("r", 0).lost_attempts, 0);
}

TEST_F(SchedulerTest, ANewIncarnationLosesWhatItDoesNotBring) {
  Connect("w");
  Do(MakeRun("r", 1));
  const Decision decision = Connect("w", "2");
  EXPECT_THAT(decision.kept_leases, IsEmpty());
  EXPECT_THAT(Assigned(decision), IsEmpty());
  EXPECT_EQ(Job("r", 0).lost_attempts, 1);
  EXPECT_THAT(Job("r", 0).avoid, ElementsAre(WorkerId("w")));
  EXPECT_EQ(Job("r", 0).not_before, now_.wall + options_.loss_backoff_base);
  EXPECT_EQ(scheduler_->NextDeadline(), now_.monotonic + options_.loss_backoff_base);
  Advance(options_.loss_backoff_base);
  EXPECT_THAT(Assigned(Do(Tick{})), ElementsAre("w:r/0:2"));  // there is no other
}

TEST_F(SchedulerTest, TheSameIncarnationComesBackForItsLease) {
  Connect("w");
  Do(MakeRun("r", 1));
  Disconnect("w");
  Advance(absl::Seconds(10));
  const Decision decision = Connect("w", "1", {LeaseOf("r", 0, 1), LeaseOf("r", 0, 9)});
  EXPECT_THAT(decision.kept_leases, ElementsAre(LeaseOf("r", 0, 1)));
  EXPECT_THAT(Revoked(decision), ElementsAre("w:r/0:9"));
  EXPECT_EQ(scheduler_->NextDeadline(), now_.monotonic + options_.lease_duration);
}

TEST_F(SchedulerTest, WhatTheSameIncarnationDoesNotBringIsQueuedAgainAtOnceAndNotCounted) {
  Connect("w");
  Do(MakeRun("r", 1));
  Disconnect("w");
  const Decision decision = Connect("w");  // the Assign was lost with the stream
  EXPECT_THAT(Assigned(decision), ElementsAre("w:r/0:2"));
  EXPECT_THAT(ErasedAttempts(decision), ElementsAre("r/0:1"));
  EXPECT_EQ(Job("r", 0).lost_attempts, 0);
}

TEST_F(SchedulerTest, ADisconnectedWorkerGetsNothing) {
  Connect("w");
  Disconnect("w", "older");  // of a stream that was replaced
  EXPECT_TRUE(scheduler_->Workers().front().connected);
  Disconnect("w");
  EXPECT_THAT(Assigned(Do(MakeRun("r", 1))), IsEmpty());
}

TEST_F(SchedulerTest, AWorkerThatIsLongGoneIsForgottenWhenAnotherComes) {
  Connect("old");
  Disconnect("old");
  Advance(absl::Minutes(59));
  Connect("recent");
  Disconnect("recent");
  EXPECT_EQ(scheduler_->Workers().size(), 2u);
  Advance(absl::Minutes(2));
  Connect("new");
  ASSERT_EQ(scheduler_->Workers().size(), 2u);
  EXPECT_EQ(scheduler_->Workers().front().id, WorkerId("new"));
}

TEST_F(SchedulerTest, AHeartbeatWithAStaleLeaseIsAnsweredWithRevoke) {
  Connect("w");
  Do(MakeRun("r", 1));
  EXPECT_THAT(Revoked(Heartbeat("w", {LeaseOf("r", 0, 1), LeaseOf("x", 0, 1)})),
              ElementsAre("w:x/0:1"));
  Complete("w", LeaseOf("r", 0, 1));
  EXPECT_THAT(Revoked(Heartbeat("w", {LeaseOf("r", 0, 1)})), IsEmpty());  // its answer is coming
  EXPECT_EQ(Heartbeat("unknown").verdict.code(), absl::StatusCode::kNotFound);
}

TEST_F(SchedulerTest, AnInternalFailureBacksOffExponentiallyUntilTheLimitOfTheRun) {
  Connect("w");
  Do(MakeRun("r", 1));
  EXPECT_THAT(Assigned(Fail("w", LeaseOf("r", 0, 1), FailureClass::kInternal)), IsEmpty());
  EXPECT_EQ(Job("r", 0).not_before, now_.wall + absl::Seconds(1));
  EXPECT_EQ(scheduler_->NextDeadline(), now_.monotonic + absl::Seconds(1));
  Advance(absl::Seconds(1));
  EXPECT_THAT(Assigned(Do(Tick{})), ElementsAre("w:r/0:2"));
  Fail("w", LeaseOf("r", 0, 2), FailureClass::kInternal);
  EXPECT_EQ(Job("r", 0).not_before, now_.wall + absl::Seconds(2));
  Advance(absl::Seconds(2));
  Do(Tick{});
  Fail("w", LeaseOf("r", 0, 3), FailureClass::kInternal);
  EXPECT_EQ(Job("r", 0).state, JobState::kFailed);
  EXPECT_EQ(Job("r", 0).failures, 3);
  EXPECT_EQ(Run("r").state, RunState::kFailed);
}

TEST_F(SchedulerTest, NumericAndInputFailuresEndTheJobAtOnce) {
  Connect("w");
  Do(MakeRun("r", 2));
  Fail("w", LeaseOf("r", 0, 1), FailureClass::kNumeric);
  Fail("w", LeaseOf("r", 1, 1), FailureClass::kInput);
  EXPECT_EQ(Job("r", 0).state, JobState::kFailed);
  EXPECT_EQ(Job("r", 1).state, JobState::kFailed);
  EXPECT_EQ(Job("r", 1).last_failure->message, "it broke");
}

TEST_F(SchedulerTest, AResourceFailureHalvesTheMicroBatchUpToALimit) {
  options_.max_resource_failures = 2;
  Restart(PersistentState());
  Connect("w");
  Do(MakeRun("r", 1));
  EXPECT_THAT(Assigned(Fail("w", LeaseOf("r", 0, 1), FailureClass::kResource)),
              ElementsAre("w:r/0:2"));
  EXPECT_EQ(Job("r", 0).resource_failures, 1);
  Fail("w", LeaseOf("r", 0, 2), FailureClass::kResource);
  Fail("w", LeaseOf("r", 0, 3), FailureClass::kResource);
  EXPECT_EQ(Job("r", 0).state, JobState::kFailed);
  EXPECT_EQ(Job("r", 0).resource_failures, 2);
  EXPECT_EQ(Job("r", 0).failures, 0);
}

TEST_F(SchedulerTest, InfrastructureFailuresAreNotCountedButParkTheJobWhenTheyDoNotEnd) {
  Connect("w");
  Do(MakeRun("r", 1));
  absl::Duration backoff = options_.backoff_base;
  for (uint64_t token = 1; token < 5; ++token) {
    Fail("w", LeaseOf("r", 0, token), FailureClass::kInfrastructure);
    Advance(backoff - absl::Milliseconds(1));
    EXPECT_THAT(Assigned(Do(Tick{})), IsEmpty());
    Advance(absl::Milliseconds(1));
    EXPECT_THAT(Assigned(Do(Tick{})), ElementsAre(absl::StrCat("w:r/0:", token + 1)));
    backoff *= 2;
  }
  Fail("w", LeaseOf("r", 0, 5), FailureClass::kInfrastructure);
  EXPECT_EQ(Job("r", 0).state, JobState::kFailed);
  EXPECT_EQ(Job("r", 0).failures, 0);
  EXPECT_TRUE(absl::StrContains(Job("r", 0).last_failure->message, "it broke; parked after 5"));
  // Said again, because the answer was lost, it is accepted.
  EXPECT_TRUE(Fail("w", LeaseOf("r", 0, 5), FailureClass::kInfrastructure).verdict.ok());
}

TEST_F(SchedulerTest, ARepeatedFailureIsAcceptedOnceAndCountedOnce) {
  Connect("w");
  Do(MakeRun("r", 1));
  Fail("w", LeaseOf("r", 0, 1), FailureClass::kInternal);
  const Decision repeat = Fail("w", LeaseOf("r", 0, 1), FailureClass::kInternal);
  EXPECT_TRUE(repeat.verdict.ok());
  EXPECT_THAT(repeat.changes, IsEmpty());
  EXPECT_EQ(Fail("w", LeaseOf("r", 0, 1), FailureClass::kInput).verdict.code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Job("r", 0).failures, 1);
}

TEST_F(SchedulerTest, AFailedJobAvoidsTheWorkerThatFailedItWhileThereIsAnother) {
  Connect("a");
  Connect("b");
  Do(MakeRun("r", 2));
  ASSERT_EQ(Job("r", 0).worker, WorkerId("a"));
  Fail("a", LeaseOf("r", 0, 1), FailureClass::kInternal);
  Advance(options_.backoff_base);
  EXPECT_THAT(Assigned(Do(Tick{})), IsEmpty());
  EXPECT_THAT(Assigned(Complete("b", LeaseOf("r", 1, 1))), ElementsAre("b:r/0:2"));
  Fail("b", LeaseOf("r", 0, 2), FailureClass::kInternal);
  Advance(2 * options_.backoff_base);
  EXPECT_THAT(Assigned(Do(Tick{})), ElementsAre("a:r/0:3"));  // both failed it: anyone may try
}

TEST_F(SchedulerTest, AnAvoidedWorkerGetsTheJobWhenNoOtherCameForItInTime) {
  options_.lease_duration = absl::Hours(1);
  Restart(PersistentState());
  Connect("a");
  Connect("b");
  Do(MakeRun("r", 2));
  Fail("a", LeaseOf("r", 0, 1), FailureClass::kInternal);
  Advance(options_.backoff_base);
  EXPECT_THAT(Assigned(Do(Tick{})), IsEmpty());
  EXPECT_EQ(scheduler_->NextDeadline(), now_.monotonic + options_.backoff_limit);
  Advance(options_.backoff_limit - absl::Milliseconds(1));
  EXPECT_THAT(Assigned(Do(Tick{})), IsEmpty());
  Advance(absl::Milliseconds(1));
  EXPECT_THAT(Assigned(Do(Tick{})), ElementsAre("a:r/0:2"));
}

TEST_F(SchedulerTest, AJobThatWaitedForAnotherWorkerCanBeCancelled) {
  options_.lease_duration = absl::Hours(1);
  Restart(PersistentState());
  Connect("a");
  Connect("b");
  Do(MakeRun("r", 2));
  Fail("a", LeaseOf("r", 0, 1), FailureClass::kInternal);
  Disconnect("a");
  Advance(options_.backoff_base);
  Do(Tick{});
  Advance(options_.backoff_limit);
  Do(Tick{});
  EXPECT_TRUE(Do(RunCancelRequested{RunId("r")}).verdict.ok());
  EXPECT_EQ(Job("r", 0).state, JobState::kCancelled);
  EXPECT_EQ(scheduler_->NextDeadline(), absl::InfiniteDuration());
}

TEST_F(SchedulerTest, AWorkerThatRanOutOfMemoryIsNotAvoided) {
  Connect("a");
  Connect("b");
  Do(MakeRun("r", 2));
  EXPECT_THAT(Assigned(Fail("a", LeaseOf("r", 0, 1), FailureClass::kResource)),
              ElementsAre("a:r/0:2"));
  EXPECT_THAT(Job("r", 0).avoid, IsEmpty());
}

TEST_F(SchedulerTest, AnAvoidedWorkerGetsTheJobWhenTheOthersAreGone) {
  Connect("a");
  Connect("b");
  Do(MakeRun("r", 2));
  Fail("a", LeaseOf("r", 0, 1), FailureClass::kInternal);
  Advance(options_.backoff_base);
  EXPECT_THAT(Assigned(Do(Tick{})), IsEmpty());
  EXPECT_THAT(Assigned(Disconnect("b")), ElementsAre("a:r/0:2"));
}

TEST_F(SchedulerTest, ADrainingWorkerGivesItsLeaseBackAtOnceAndGetsNoOther) {
  Connect("w");
  Do(MakeRun("r", 1));
  const Decision decision = Do(WorkerDraining{WorkerId("w"), {LeaseOf("r", 0, 1)}});
  EXPECT_THAT(Assigned(decision), IsEmpty());
  EXPECT_EQ(Job("r", 0).state, JobState::kQueued);
  EXPECT_EQ(Job("r", 0).lost_attempts, 0);
  EXPECT_FALSE(Job("r", 0).not_before.has_value());
  EXPECT_THAT(Assigned(Heartbeat("w")), IsEmpty());
  EXPECT_THAT(Assigned(Connect("x")), ElementsAre("x:r/0:2"));
}

TEST_F(SchedulerTest, AnOperatorsDrainReachesTheWorkerAndLetsItsJobEnd) {
  Connect("w");
  Do(MakeRun("r", 2));
  const Decision decision = Do(WorkerDraining{WorkerId("w"), {}});
  EXPECT_THAT(Drained(decision), ElementsAre("w"));
  EXPECT_EQ(Job("r", 0).state, JobState::kLeased);
  EXPECT_THAT(Assigned(Complete("w", LeaseOf("r", 0, 1))), IsEmpty());
  EXPECT_EQ(Do(WorkerDraining{WorkerId("x"), {}}).verdict.code(), absl::StatusCode::kNotFound);
}

TEST_F(SchedulerTest, ADrainIsToldAgainToTheProcessThatItWasAskedOfAndToNoOther) {
  Connect("w");
  Do(WorkerDraining{WorkerId("w"), {}});
  Disconnect("w");
  EXPECT_THAT(Drained(Connect("w")), ElementsAre("w"));
  EXPECT_THAT(Drained(Connect("w", "2")), IsEmpty());
  // A scheduler that was made anew hears of it from its caller.
  Restart(PersistentState());
  WorkerConnected event;
  event.worker = WorkerId("w");
  event.incarnation = "2";
  event.drain_asked = true;
  EXPECT_THAT(Drained(Do(event)), ElementsAre("w"));
  EXPECT_THAT(Assigned(Do(MakeRun("r", 1))), IsEmpty());
}

TEST_F(SchedulerTest, ARestartKeepsTheLeasesThatWorkersComeBackWith) {
  Connect("a");
  Connect("b");
  Do(MakeRun("r", 2));
  Advance(absl::Hours(1));
  Restart(stored_);
  EXPECT_THAT(Do(Tick{}).changes, IsEmpty());
  EXPECT_THAT(Connect("a", "1", {LeaseOf("r", 0, 1)}).kept_leases, ElementsAre(LeaseOf("r", 0, 1)));
  // b comes back without its lease, whatever the reason: it did not cost the job anything.
  EXPECT_THAT(Assigned(Connect("b", "1")), ElementsAre("b:r/1:2"));
  EXPECT_EQ(Job("r", 1).lost_attempts, 0);
}

TEST_F(SchedulerTest, ABackOffSurvivesARestart) {
  Connect("w");
  Do(MakeRun("r", 1));
  Fail("w", LeaseOf("r", 0, 1), FailureClass::kInternal);
  now_.monotonic = absl::Seconds(5);  // another process, another monotonic clock
  Restart(stored_);
  EXPECT_THAT(Assigned(Connect("w")), IsEmpty());
  EXPECT_EQ(scheduler_->NextDeadline(), now_.monotonic + absl::Seconds(1));
}

TEST(TransitionTest, OnlyTheDrawnArrowsAreLegal) {
  const JobState all[] = {JobState::kQueued, JobState::kLeased, JobState::kSucceeded,
                          JobState::kFailed, JobState::kCancelled};
  std::vector<std::string> legal;
  for (const JobState from : all) {
    for (const JobState to : all) {
      if (IsLegalTransition(from, to)) {
        legal.push_back(absl::StrCat(std::string(Name(from)), ">", std::string(Name(to))));
      }
    }
  }
  EXPECT_THAT(legal,
              ElementsAre("queued>leased", "queued>cancelled", "leased>queued", "leased>succeeded",
                          "leased>failed", "leased>cancelled", "failed>queued"));
}

}  // namespace
}  // namespace rwku::scheduler
