// What the ledger counts of the changes that the real scheduler makes.
#include "server/metrics/lease_ledger.h"

#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/scheduler/scheduler_fixture.h"

namespace rwku::metrics {
namespace {

using scheduler::Decision;
using scheduler::FailureClass;
using scheduler::Lease;
using ::testing::ElementsAre;
using ::testing::Pair;

class LeaseLedgerTest : public scheduler::SchedulerTest {
 protected:
  void Count(const Decision& decision) {
    for (const scheduler::StateChange& change : decision.changes) {
      for (const LedgerEntry& entry : ledger_.Apply(change)) {
        granted_ += entry.granted;
        granted_ranks_ = entry.granted > 0 ? entry.ranks : granted_ranks_;
        if (entry.end.has_value()) {
          ++ends_[std::string(OutcomeName(entry.end->outcome))];
          expired_ += entry.end->expired ? 1 : 0;
          ended_ranks_ = entry.end->ranks;
        }
      }
    }
  }

  LeaseLedger ledger_;
  int granted_ = 0;
  int granted_ranks_ = 0;  // of the newest grant
  int expired_ = 0;
  int ended_ranks_ = 0;  // of the newest end
  std::map<std::string, int> ends_;
};

TEST_F(LeaseLedgerTest, AJobThatSucceedsIsOneGrantAndOneEnd) {
  Count(Connect("w"));
  Count(Do(MakeRun("r", 2)));
  EXPECT_EQ(granted_, 1);
  Count(Heartbeat("w", {LeaseOf("r", 0, 1)}));
  Count(Complete("w", LeaseOf("r", 0, 1)));
  EXPECT_EQ(granted_, 2);                    // the next job
  Count(Complete("w", LeaseOf("r", 0, 1)));  // said again
  EXPECT_THAT(ends_, ElementsAre(Pair("succeeded", 1)));
}

TEST_F(LeaseLedgerTest, FailuresCountUnderTheirClass) {
  Count(Do(MakeRun("r", 5)));
  Count(Connect("w"));
  const FailureClass classes[] = {FailureClass::kResource, FailureClass::kNumeric,
                                  FailureClass::kInput, FailureClass::kInternal,
                                  FailureClass::kInfrastructure};
  for (const FailureClass failure : classes) {
    const auto workers = scheduler_->Workers();
    ASSERT_EQ(workers.size(), 1U);
    ASSERT_EQ(workers[0].leases.size(), 1U);
    Count(Fail("w", workers[0].leases[0], failure));  // and takes the next job
  }
  EXPECT_THAT(ends_, ElementsAre(Pair("infrastructure", 1), Pair("input", 1), Pair("internal", 1),
                                 Pair("numeric", 1), Pair("resource", 1)));
  EXPECT_EQ(expired_, 0);
  EXPECT_EQ(granted_, 6);  // the one that ran out of memory is tried again at once
}

TEST_F(LeaseLedgerTest, ALeaseThatRanOutIsExpiredAndInfrastructure) {
  Count(Connect("w"));
  Count(Do(MakeRun("r", 1)));
  Advance(options_.lease_duration + absl::Seconds(1));
  Count(Do(scheduler::Tick{}));
  EXPECT_THAT(ends_, ElementsAre(Pair("infrastructure", 1)));
  EXPECT_EQ(expired_, 1);
}

TEST_F(LeaseLedgerTest, AProcessThatEndedLosesItsLeaseWithoutExpiry) {
  Count(Connect("w", "1"));
  Count(Do(MakeRun("r", 1)));
  Count(Connect("w", "2"));
  EXPECT_THAT(ends_, ElementsAre(Pair("infrastructure", 1)));
  EXPECT_EQ(expired_, 0);
}

TEST_F(LeaseLedgerTest, WhatIsGivenBackIsReleasedAndWhatIsCancelledIsCancelled) {
  Count(Connect("w"));
  Count(Connect("v"));
  Count(Do(MakeRun("r", 2)));
  const auto workers = scheduler_->Workers();
  ASSERT_EQ(workers.size(), 2U);
  Count(Do(scheduler::WorkerDraining{workers[0].id, workers[0].leases}));
  EXPECT_THAT(ends_, ElementsAre(Pair("released", 1)));
  Count(Do(scheduler::RunCancelRequested{RunId("r")}));
  EXPECT_THAT(ends_, ElementsAre(Pair("cancelled", 1), Pair("released", 1)));
}

TEST_F(LeaseLedgerTest, AGangIsOneAttemptOfSeveralRanks) {
  for (const char* worker : {"v", "w"}) {
    scheduler::WorkerConnected event;
    event.worker = WorkerId(worker);
    event.incarnation = "1";
    event.gang_kind = "cpu";
    event.gang_address = "127.0.0.1:7460";
    Count(Do(event));
  }
  scheduler::RunSubmitted run = MakeRun("r", 1);
  run.run.ranks = 2;
  Count(Do(run));
  EXPECT_EQ(granted_, 1);
  EXPECT_EQ(granted_ranks_, 2);
  Count(Connect("w", "2"));  // a rank's process ended
  EXPECT_THAT(ends_, ElementsAre(Pair("infrastructure", 1)));
  EXPECT_EQ(ended_ranks_, 2);
}

TEST_F(LeaseLedgerTest, ADeletedRunsAttemptsAreCancelled) {
  Count(Connect("w"));
  Count(Do(MakeRun("r", 1)));
  Decision deleted;  // the scheduler deletes ended runs only
  deleted.changes.emplace_back(scheduler::EraseRun{RunId("r")});
  Count(deleted);
  EXPECT_THAT(ends_, ElementsAre(Pair("cancelled", 1)));
}

TEST_F(LeaseLedgerTest, LeasesFromBeforeARestartAreNotGrantedAgainButEnd) {
  Do(MakeRun("r", 1));
  Connect("w");
  ledger_.Load(stored_);
  Restart(stored_);
  Count(Connect("w", "1", {LeaseOf("r", 0, 1)}));
  EXPECT_EQ(granted_, 0);
  Count(Complete("w", LeaseOf("r", 0, 1)));
  EXPECT_EQ(granted_, 0);
  EXPECT_THAT(ends_, ElementsAre(Pair("succeeded", 1)));
}

}  // namespace
}  // namespace rwku::metrics
