// Runs: submission, sharing, cancellation, deletion, retry, revisions.
#include <algorithm>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/scheduler/scheduler.h"
#include "server/scheduler/scheduler_fixture.h"

namespace rwku::scheduler {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(SchedulerTest, ARunWithoutJobsIsRefused) {
  EXPECT_EQ(Do(MakeRun("r", 0)).verdict.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(scheduler_->FindRun(RunId("r")), nullptr);
}

TEST_F(SchedulerTest, JobsOfAnotherRunOrWithTheSameIndexAreRefused) {
  RunSubmitted foreign = MakeRun("r", 2);
  foreign.jobs[1].run = RunId("s");
  EXPECT_EQ(Do(foreign).verdict.code(), absl::StatusCode::kInvalidArgument);
  RunSubmitted twice = MakeRun("r", 2);
  twice.jobs[1].index = 0;
  EXPECT_EQ(Do(twice).verdict.code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SchedulerTest, TheSameRequestTwiceMakesOneRun) {
  RunSubmitted event = MakeRun("r", 1);
  event.run.request_id = "q";
  event.run.request_digest = "d";
  EXPECT_TRUE(Do(event).verdict.ok());
  RunSubmitted repeat = MakeRun("s", 1);
  repeat.run.request_id = "q";
  repeat.run.request_digest = "d";
  const Decision decision = Do(repeat);
  EXPECT_TRUE(decision.verdict.ok());
  EXPECT_THAT(decision.changes, IsEmpty());
  EXPECT_EQ(scheduler_->FindRunByRequestId("q")->id, RunId("r"));
  repeat.run.request_digest = "other";
  EXPECT_EQ(Do(repeat).verdict.code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(SchedulerTest, TheHigherPriorityGoesFirst) {
  Do(MakeRun("low", 1, 0));
  Do(MakeRun("high", 1, 5));
  EXPECT_THAT(Assigned(Connect("a")), ElementsAre("a:high/0:1"));
  EXPECT_THAT(Assigned(Connect("b")), ElementsAre("b:low/0:1"));
}

TEST_F(SchedulerTest, EqualRunsShareTheWorkersEquallyOldestFirst) {
  Do(MakeRun("z", 10));  // the older one, whatever its name
  Do(MakeRun("a", 10));
  EXPECT_THAT(Assigned(Connect("1")), ElementsAre("1:z/0:1"));
  EXPECT_THAT(Assigned(Connect("2")), ElementsAre("2:a/0:1"));
  EXPECT_THAT(Assigned(Connect("3")), ElementsAre("3:z/1:1"));
  EXPECT_THAT(Assigned(Connect("4")), ElementsAre("4:a/1:1"));
  EXPECT_THAT(Assigned(Complete("1", LeaseOf("z", 0, 1))), ElementsAre("1:z/2:1"));
}

TEST_F(SchedulerTest, ALoneWorkerServesEqualRunsInTurn) {
  Do(MakeRun("old", 10));
  EXPECT_THAT(Assigned(Connect("w")), ElementsAre("w:old/0:1"));
  Do(MakeRun("new", 2));
  EXPECT_THAT(Assigned(Complete("w", LeaseOf("old", 0, 1))), ElementsAre("w:old/1:1"));
  EXPECT_THAT(Assigned(Complete("w", LeaseOf("old", 1, 1))), ElementsAre("w:new/0:1"));
  EXPECT_THAT(Assigned(Complete("w", LeaseOf("new", 0, 1))), ElementsAre("w:old/2:1"));
  EXPECT_THAT(Assigned(Complete("w", LeaseOf("old", 2, 1))), ElementsAre("w:new/1:1"));
}

TEST_F(SchedulerTest, ALoneWorkerChangesItsModelSeldomAndStarvesNoRun) {
  Do(MakeRun("a", 40, 0, "x"));
  Do(MakeRun("b", 40, 0, "y"));
  Do(MakeRun("c", 40, 0, "z"));
  Connect("w");
  int switches = 0;
  std::string model;
  std::map<std::string, int> waits;  // turns since a run's last one
  int longest = 0;
  for (int i = 0; i < 120; ++i) {
    const Lease lease = scheduler_->Workers().front().leases.front();
    const JobRecord& job = *scheduler_->FindJob(lease.job);
    switches += job.model == model ? 0 : 1;
    model = job.model;
    for (const char* run : {"a", "b", "c"}) {
      const bool open = scheduler_->CountJobs(RunId(run))[JobState::kQueued] > 0;
      int& wait = waits[run];
      wait = job.run == RunId(run) || !open ? 0 : wait + 1;
      longest = std::max(longest, wait);
    }
    Do(WorkerHeartbeat{WorkerId("w"), {lease}, {model}});
    Complete("w", lease);
  }
  EXPECT_EQ(scheduler_->CountJobs(RunId("c"))[JobState::kSucceeded], 40);
  EXPECT_LE(switches, 20);
  EXPECT_LE(longest, 30);
}

TEST_F(SchedulerTest, AWorkerGetsJobsOfTheModelItHoldsFirst) {
  RunSubmitted event = MakeRun("r", 4);
  event.jobs[0].model = "x";
  event.jobs[1].model = "y";
  event.jobs[2].model = "x";
  event.jobs[3].model = "y";
  Do(event);
  EXPECT_THAT(Assigned(Connect("w", "1", {}, {"y"})), ElementsAre("w:r/1:1"));
  EXPECT_THAT(Assigned(Connect("v", "1", {}, {"z"})), ElementsAre("v:r/0:1"));
}

TEST_F(SchedulerTest, AWorkerWithTheModelIsPreferredToOneThatWouldLoadIt) {
  Connect("a", "1", {}, {"x"});
  Connect("b", "1", {}, {"y"});
  EXPECT_THAT(Assigned(Do(MakeRun("r", 1, 0, "y"))), ElementsAre("b:r/0:1"));
}

TEST_F(SchedulerTest, CancellingARunEndsItsJobsAndRevokesTheirLeases) {
  Connect("w");
  Do(MakeRun("r", 2));
  const Decision decision = Do(RunCancelRequested{RunId("r")});
  EXPECT_THAT(Revoked(decision), ElementsAre("w:r/0:1"));
  EXPECT_THAT(ErasedAttempts(decision), ElementsAre("r/0:1"));
  EXPECT_EQ(Run("r").state, RunState::kCancelled);
  EXPECT_EQ(Job("r", 0).state, JobState::kCancelled);
  EXPECT_EQ(Job("r", 1).state, JobState::kCancelled);
  EXPECT_EQ(Complete("w", LeaseOf("r", 0, 1)).verdict.code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Do(RunCancelRequested{RunId("r")}).verdict.ok());
  EXPECT_EQ(Do(RunCancelRequested{RunId("x")}).verdict.code(), absl::StatusCode::kNotFound);
}

TEST_F(SchedulerTest, OnlyAnEndedRunCanBeDeleted) {
  Connect("w");
  Do(MakeRun("r", 1));
  EXPECT_EQ(Do(RunDeleteRequested{RunId("r")}).verdict.code(),
            absl::StatusCode::kFailedPrecondition);
  Complete("w", LeaseOf("r", 0, 1));
  const Decision decision = Do(RunDeleteRequested{RunId("r")});
  EXPECT_TRUE(decision.verdict.ok());
  ASSERT_EQ(decision.changes.size(), 1u);
  EXPECT_EQ(std::get<EraseRun>(decision.changes[0]).run, RunId("r"));
  EXPECT_EQ(scheduler_->FindRun(RunId("r")), nullptr);
  EXPECT_EQ(scheduler_->FindJob(JobIdOf("r", 0)), nullptr);
  EXPECT_EQ(Do(RunDeleteRequested{RunId("r")}).verdict.code(), absl::StatusCode::kNotFound);
}

TEST_F(SchedulerTest, RetryingAFailedJobReopensItsRun) {
  Connect("w");
  Do(MakeRun("r", 2));
  EXPECT_EQ(Do(JobRetryRequested{JobIdOf("r", 0)}).verdict.code(),
            absl::StatusCode::kFailedPrecondition);
  Fail("w", LeaseOf("r", 0, 1), FailureClass::kInput);
  Complete("w", LeaseOf("r", 1, 1));
  ASSERT_EQ(Run("r").state, RunState::kFailed);
  const Decision decision = Do(JobRetryRequested{JobIdOf("r", 0)});
  EXPECT_THAT(Assigned(decision), ElementsAre("w:r/0:2"));
  EXPECT_EQ(Run("r").state, RunState::kRunning);
  EXPECT_FALSE(Run("r").end_time.has_value());
  Complete("w", LeaseOf("r", 0, 2));
  EXPECT_EQ(Run("r").state, RunState::kSucceeded);
}

TEST_F(SchedulerTest, EveryChangedRecordGetsTheNextRevisionAndTheRunComesLast) {
  Connect("w");
  const Decision decision = Do(MakeRun("r", 2));
  ASSERT_EQ(decision.changes.size(), 3u);
  EXPECT_EQ(std::get<PutJob>(decision.changes[0]).job.revision, 1u);
  EXPECT_EQ(std::get<PutJob>(decision.changes[1]).job.revision, 2u);
  EXPECT_EQ(std::get<PutRun>(decision.changes[2]).run.revision, 3u);
  Complete("w", LeaseOf("r", 0, 1));
  EXPECT_EQ(Job("r", 0).revision, 4u);
  EXPECT_EQ(Job("r", 1).revision, 5u);
  EXPECT_EQ(Run("r").revision, 6u);
  EXPECT_EQ(scheduler_->revision(), 6u);
}

TEST_F(SchedulerTest, AHundredThousandQueuedJobsDoNotSlowAStepDown) {
  scheduler_->Step(MakeRun("big", 100'000), now_);
  scheduler_->Step(WorkerConnected{WorkerId("w"), "1", {}, {}, false}, now_);
  // 20,000 scans of the jobs would run into the test's time limit.
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_TRUE(scheduler_->Step(AttemptCompleted{WorkerId("w"), LeaseOf("big", i, 1), "x"}, now_)
                    .verdict.ok());
  }
  EXPECT_EQ(Job("big", 20'000).state, JobState::kLeased);
}

}  // namespace
}  // namespace rwku::scheduler
