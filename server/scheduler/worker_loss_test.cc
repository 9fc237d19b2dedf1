// Workers that are lost with what they hold.
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/scheduler/scheduler.h"
#include "server/scheduler/scheduler_fixture.h"

namespace rwku::scheduler {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class WorkerLossTest : public SchedulerTest {
 protected:
  // The worker dies and comes back as its next process.
  Decision Crash(const std::string& worker) {
    const std::string old = absl::StrCat(processes_);
    Disconnect(worker, old);
    return Connect(worker, absl::StrCat(++processes_));
  }

  // Loses the attempt of r/0 on `worker`, which has it, and lets the back-off pass.
  void LoseOn(const std::string& worker) {
    ASSERT_EQ(Job("r", 0).worker, WorkerId(worker));
    Crash(worker);
    Advance(options_.backoff_limit);
    Do(Tick{});
  }

  int processes_ = 1;
};

TEST_F(WorkerLossTest, ACrashLoopFailsNoJobWhileAHealthyWorkerIsBusy) {
  constexpr int kJobs = 20;
  Connect("healthy");
  Do(MakeRun("r", kJobs));
  Connect("crasher");
  Lease held = LeaseOf("r", 0, 1);
  // A job takes the healthy worker ten minutes, the other dies as soon as it has been started.
  for (int second = 1; Run("r").state == RunState::kRunning; ++second) {
    ASSERT_LT(second, 2 * kJobs * 600) << "the run does not end";
    Advance(absl::Seconds(1));
    if (second % 600 == 0) {
      Complete("healthy", held);
      const auto leases = scheduler_->Workers().back().leases;
      ASSERT_EQ(scheduler_->Workers().back().id, WorkerId("healthy"));
      if (!leases.empty()) {
        held = leases.front();
      }
    } else {
      Heartbeat("healthy", {held});
    }
    Crash("crasher");
    ASSERT_EQ(scheduler_->CountJobs(RunId("r"))[JobState::kFailed], 0)
        << "after " << second << " s";
  }
  EXPECT_EQ(Run("r").state, RunState::kSucceeded);
  int attempts = 0;
  for (int i = 0; i < kJobs; ++i) {
    attempts += Job("r", i).attempts;
  }
  // A start a second would be more than ten thousand.
  EXPECT_LT(attempts, 5 * kJobs);
}

TEST_F(WorkerLossTest, ALostJobGoesToAnotherWorkerAfterABackOffThatDoubles) {
  Connect("a");
  Do(MakeRun("r", 1));
  Connect("b");
  Connect("c");
  EXPECT_THAT(Assigned(Crash("a")), IsEmpty());
  Advance(options_.loss_backoff_base);
  EXPECT_THAT(Assigned(Do(Tick{})), ElementsAre("b:r/0:2"));
  Crash("b");
  Advance(2 * options_.loss_backoff_base - absl::Milliseconds(1));
  EXPECT_THAT(Assigned(Do(Tick{})), IsEmpty());
  Advance(absl::Milliseconds(1));
  EXPECT_THAT(Assigned(Do(Tick{})), ElementsAre("c:r/0:3"));
  EXPECT_EQ(Job("r", 0).lost_attempts, 2);
}

TEST_F(WorkerLossTest, AJobThatKeepsLosingTheOnlyWorkerIsParked) {
  Connect("w");
  Do(MakeRun("r", 1));
  for (int i = 0; i < options_.max_lost_attempts; ++i) {
    LoseOn("w");
  }
  EXPECT_EQ(Job("r", 0).state, JobState::kFailed);
  EXPECT_EQ(Run("r").state, RunState::kFailed);
  EXPECT_TRUE(absl::StrContains(Job("r", 0).last_failure->message, "parked after 5 attempts"));
}

TEST_F(WorkerLossTest, AJobThatEndsEveryWorkerIsParkedThoughOneIsBusyElsewhere) {
  for (const char* worker : {"a", "b", "c", "d", "e", "f"}) {
    Connect(worker);
  }
  Do(MakeRun("r", 1));
  for (const char* worker : {"a", "b", "c", "d", "e"}) {
    LoseOn(worker);
  }
  EXPECT_EQ(Job("r", 0).state, JobState::kFailed);
  EXPECT_TRUE(absl::StrContains(Job("r", 0).last_failure->message, "parked after 5 attempts"));
}

TEST_F(WorkerLossTest, AJobIsNotParkedBeforeEveryWorkerThereIsHasLostIt) {
  Connect("a");
  Connect("b");
  Do(MakeRun("r", 2));  // the other job keeps b busy
  Heartbeat("b", {LeaseOf("r", 1, 1)});
  for (int i = 0; i < options_.max_lost_attempts; ++i) {
    // Its wait for b is over each time.
    while (Job("r", 0).worker != WorkerId("a")) {
      Advance(absl::Seconds(10));
      Heartbeat("b", {LeaseOf("r", 1, 1)});
    }
    Crash("a");
  }
  EXPECT_EQ(Job("r", 0).state, JobState::kQueued);
  EXPECT_EQ(Job("r", 0).lost_attempts, options_.max_lost_attempts);
  Advance(absl::Seconds(10));
  EXPECT_THAT(Assigned(Complete("b", LeaseOf("r", 1, 1))), ElementsAre("b:r/0:6"));
  Crash("b");
  EXPECT_EQ(Job("r", 0).state, JobState::kFailed);
}

TEST_F(WorkerLossTest, AWorkerThatLosesOneJobAfterTheOtherRestsUntilItMayTryAgain) {
  Connect("w");
  Do(MakeRun("r", 10));
  Crash("w");  // r/0, and then r/1
  ASSERT_EQ(Job("r", 1).worker, WorkerId("w"));
  Crash("w");
  ASSERT_EQ(Job("r", 2).worker, WorkerId("w"));
  EXPECT_THAT(Assigned(Crash("w")), IsEmpty());
  Advance(options_.backoff_base - absl::Milliseconds(1));
  EXPECT_THAT(Assigned(Crash("w")), IsEmpty());  // its restarts do not shorten the rest
  Advance(absl::Milliseconds(1));
  EXPECT_THAT(Assigned(Do(Tick{})), ElementsAre("w:r/0:2"));
  EXPECT_THAT(Assigned(Crash("w")), IsEmpty());
  EXPECT_THAT(Assigned(Connect("x")), ElementsAre("x:r/1:2"));  // others are not meant
  Advance(2 * options_.backoff_base);
  EXPECT_THAT(Assigned(Do(Tick{})), ElementsAre("w:r/3:1"));
}

TEST_F(WorkerLossTest, ACompletedJobEndsTheCountOfAWorkersLosses) {
  Connect("w");
  Do(MakeRun("r", 10));
  Crash("w");
  Crash("w");
  EXPECT_THAT(Assigned(Complete("w", LeaseOf("r", 2, 1))), ElementsAre("w:r/3:1"));
  EXPECT_THAT(Assigned(Crash("w")), ElementsAre("w:r/4:1"));
  EXPECT_THAT(Assigned(Crash("w")), ElementsAre("w:r/5:1"));
  EXPECT_THAT(Assigned(Crash("w")), IsEmpty());
}

TEST_F(WorkerLossTest, LeasesGivenBackOrNeverReceivedAreNoLosses) {
  Connect("w");
  Do(MakeRun("r", 1));
  for (uint64_t token = 2; token < 10; ++token) {
    Disconnect("w");
    EXPECT_THAT(Assigned(Connect("w")), ElementsAre(absl::StrCat("w:r/0:", token)));
  }
  Do(WorkerDraining{WorkerId("w"), {LeaseOf("r", 0, 9)}});
  EXPECT_EQ(Job("r", 0).lost_attempts, 0);
  EXPECT_THAT(Job("r", 0).avoid, IsEmpty());
  EXPECT_FALSE(Job("r", 0).not_before.has_value());
  EXPECT_THAT(Assigned(Connect("w", "2")), ElementsAre("w:r/0:10"));
}

}  // namespace
}  // namespace rwku::scheduler
