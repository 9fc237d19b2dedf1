// Gangs: jobs that several workers share.
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/random.h"
#include "server/scheduler/scheduler_fixture.h"

namespace rwku::scheduler {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class GangTest : public SchedulerTest {
 protected:
  static RunSubmitted MakeGangRun(const std::string& id, int jobs, int ranks, int priority = 0) {
    RunSubmitted event = MakeRun(id, jobs, priority);
    event.run.ranks = ranks;
    return event;
  }

  Decision Join(const std::string& worker, const std::string& kind = "cuda",
                const std::string& incarnation = "1", std::vector<Lease> leases = {},
                std::vector<std::string> models = {}) {
    WorkerConnected event;
    event.worker = WorkerId(worker);
    event.incarnation = incarnation;
    event.leases = std::move(leases);
    event.resident_models = std::move(models);
    event.gang_kind = kind;
    event.gang_address = absl::StrCat(worker, ":7460");
    return Do(event);
  }

  // "worker:rank/world_size@rendezvous" of every assignment.
  static std::vector<std::string> Ranks(const Decision& decision) {
    std::vector<std::string> out;
    for (const Command& command : decision.commands) {
      if (const auto* assign = std::get_if<Assign>(&command)) {
        out.push_back(absl::StrCat(assign->worker.value(), ":", assign->rank, "/",
                                   assign->world_size, "@", assign->rendezvous));
      }
    }
    return out;
  }
  static std::vector<std::string> Released(const Decision& decision) {
    std::vector<std::string> out;
    for (const Command& command : decision.commands) {
      if (const auto* release = std::get_if<Release>(&command)) {
        out.push_back(absl::StrCat(release->worker.value(), ":", release->lease.job.value(), ":",
                                   release->lease.fencing_token));
      }
    }
    return out;
  }
};

TEST_F(GangTest, StartsWithAllRanksAtOnceUnderOneLease) {
  Do(MakeGangRun("g", 1, 3));
  EXPECT_THAT(Ranks(Join("a")), IsEmpty());
  EXPECT_THAT(Ranks(Join("b")), IsEmpty());
  EXPECT_EQ(Job("g", 0).state, JobState::kQueued);
  EXPECT_THAT(Ranks(Join("c")), ElementsAre("a:0/3@a:7460", "b:1/3@a:7460", "c:2/3@a:7460"));
  EXPECT_EQ(Job("g", 0).state, JobState::kLeased);
  EXPECT_EQ(Job("g", 0).worker, WorkerId("a"));
  EXPECT_THAT(Job("g", 0).gang, ElementsAre(WorkerId("a"), WorkerId("b"), WorkerId("c")));
  for (const char* worker : {"a", "b", "c"}) {
    EXPECT_TRUE(scheduler_->CheckLease(WorkerId(worker), LeaseOf("g", 0, 1)).ok());
  }
}

TEST_F(GangTest, OnlyWorkersOfOneKindThatGaveAnAddressFormIt) {
  Do(MakeGangRun("g", 1, 2));
  Connect("no-address");
  Join("gpu", "cuda");
  EXPECT_THAT(Ranks(Join("cpu", "cpu")), IsEmpty());
  EXPECT_THAT(Ranks(Join("cpu2", "cpu")),
              UnorderedElementsAre("cpu:0/2@cpu:7460", "cpu2:1/2@cpu:7460"));
}

TEST_F(GangTest, WorkersThatHoldTheModelComeFirst) {
  Do(MakeRun("s", 3));
  Join("a");
  Join("b");
  Join("c", "cuda", "1", {}, {"m"});
  Do(MakeGangRun("g", 1, 2));
  Complete("a", LeaseOf("s", 0, 1));
  const Decision decision = Complete("c", LeaseOf("s", 2, 1));
  EXPECT_THAT(Ranks(decision), ElementsAre("c:0/2@c:7460", "a:1/2@c:7460"));
}

TEST_F(GangTest, ResultComesFromRankZeroAndEndsItForAll) {
  Do(MakeGangRun("g", 1, 2));
  Join("a");
  Join("b");
  const Lease lease = LeaseOf("g", 0, 1);
  const Decision early = Complete("b", lease);
  EXPECT_EQ(early.verdict.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(early.verdict.message()), HasSubstr("comes from worker \"a\""));
  EXPECT_FALSE(scheduler_->CheckResultLease(WorkerId("b"), lease).ok());
  EXPECT_TRUE(scheduler_->CheckResultLease(WorkerId("a"), lease).ok());
  const Decision done = Complete("a", lease);
  // Sent before the answer came.
  EXPECT_THAT(Revoked(Heartbeat("b", {lease})), IsEmpty());
  EXPECT_TRUE(done.verdict.ok());
  EXPECT_THAT(Released(done), ElementsAre("b:g/0:1"));
  EXPECT_EQ(Job("g", 0).state, JobState::kSucceeded);
  EXPECT_THAT(Job("g", 0).gang, ElementsAre(WorkerId("a"), WorkerId("b")));
  EXPECT_EQ(Run("g").state, RunState::kSucceeded);
}

TEST_F(GangTest, LossOfOneRankEndsItForAllAndANewOneIsFormed) {
  Do(MakeGangRun("g", 1, 2));
  Join("a");
  Join("b");
  Join("c");
  const Lease first = LeaseOf("g", 0, 1);
  Advance(options_.lease_duration - absl::Seconds(1));
  Heartbeat("a", {first});
  Heartbeat("c");
  Advance(absl::Seconds(1));
  const Decision lost = Do(Tick{});
  EXPECT_THAT(Revoked(lost), UnorderedElementsAre("a:g/0:1", "b:g/0:1"));
  EXPECT_THAT(ErasedAttempts(lost), ElementsAre("g/0:1"));
  EXPECT_EQ(Job("g", 0).state, JobState::kQueued);
  EXPECT_THAT(Job("g", 0).gang, IsEmpty());
  EXPECT_THAT(Job("g", 0).avoid, ElementsAre(WorkerId("b")));
  EXPECT_EQ(Job("g", 0).failures, 0);
  Advance(options_.loss_backoff_base);
  EXPECT_THAT(Ranks(Heartbeat("c")), ElementsAre("c:0/2@c:7460", "a:1/2@c:7460"));
}

TEST_F(GangTest, NewProcessOfARankEndsIt) {
  Do(MakeGangRun("g", 1, 2));
  Join("a");
  Join("b");
  const Decision back = Join("b", "cuda", "2");
  EXPECT_THAT(Revoked(back), ElementsAre("a:g/0:1"));
  EXPECT_EQ(Job("g", 0).state, JobState::kQueued);
}

TEST_F(GangTest, RankThatNeverTookItsLeaseEndsItWithoutBlame) {
  Do(MakeGangRun("g", 1, 2));
  Join("a");
  Join("b");
  Advance(options_.lease_duration - absl::Seconds(1));
  Heartbeat("a", {LeaseOf("g", 0, 1)});
  Heartbeat("b");
  Advance(absl::Seconds(1));
  const Decision decision = Do(Tick{});
  EXPECT_THAT(Revoked(decision), UnorderedElementsAre("a:g/0:1", "b:g/0:1"));
  EXPECT_EQ(Job("g", 0).lost_attempts, 0);
}

TEST_F(GangTest, RankThatFailsEndsItForAll) {
  Do(MakeGangRun("g", 1, 2));
  Join("a");
  Join("b");
  const Decision failed = Fail("b", LeaseOf("g", 0, 1), FailureClass::kNumeric);
  EXPECT_THAT(Revoked(failed), ElementsAre("a:g/0:1"));
  EXPECT_EQ(Job("g", 0).state, JobState::kFailed);
  // The other rank met the same.
  EXPECT_EQ(Fail("a", LeaseOf("g", 0, 1), FailureClass::kNumeric).verdict.code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Job("g", 0).failures, 1);
}

TEST_F(GangTest, BrokenExchangeBlamesNobodyAndParksAtLast) {
  Do(MakeGangRun("g", 1, 2));
  Join("a");
  Join("b");
  for (int i = 1; i <= options_.max_broken_gangs; ++i) {
    ASSERT_EQ(Job("g", 0).state, JobState::kLeased) << i;
    Fail(i % 2 == 0 ? "a" : "b", LeaseOf("g", 0, static_cast<uint64_t>(i)),
         FailureClass::kInfrastructure);
    EXPECT_THAT(Job("g", 0).avoid, IsEmpty());
    EXPECT_EQ(Job("g", 0).failures, 0);
    Advance(options_.backoff_limit);
    Heartbeat("a");
    Heartbeat("b");
  }
  EXPECT_EQ(Job("g", 0).state, JobState::kFailed);
  EXPECT_THAT(Job("g", 0).last_failure->message, HasSubstr("parked after 12 attempts"));
}

TEST_F(GangTest, AfterABrokenOneComesAnotherRankZeroAndOthersTakePart) {
  Do(MakeGangRun("g", 1, 2));
  Join("a");
  Join("b");
  Join("c");
  std::vector<std::string> leaders;
  for (uint64_t token = 1; token <= 3; ++token) {
    leaders.push_back(Job("g", 0).worker.value());
    Fail(leaders.back(), LeaseOf("g", 0, token), FailureClass::kInfrastructure);
    while (Job("g", 0).state == JobState::kQueued) {
      Advance(absl::Seconds(1));
      for (const char* worker : {"a", "b", "c"}) {
        Heartbeat(worker);
      }
    }
  }
  EXPECT_THAT(leaders, ElementsAre("a", "b", "c"));
}

TEST_F(GangTest, JobThatEndsItsRanksIsParkedThoughAWorkerOfAnotherKindIsThere) {
  Do(MakeGangRun("g", 1, 2));
  Join("gpu", "cuda");
  Join("a", "cpu");
  Join("b", "cpu");
  int lost = 0;
  while (Job("g", 0).state != JobState::kFailed) {
    ASSERT_LT(++lost, 20);
    const std::string process = absl::StrCat("process ", lost);
    Join("gpu", "cuda");
    Join("a", "cpu", process);
    Join("b", "cpu", process);
    Advance(options_.backoff_limit);
    for (const char* worker : {"gpu", "a", "b"}) {
      Heartbeat(worker);
    }
  }
  EXPECT_EQ(Job("g", 0).lost_attempts, options_.max_broken_gangs);
  EXPECT_THAT(Job("g", 0).last_failure->message, HasSubstr("parked after 12 attempts"));
}

TEST_F(GangTest, DrainOfARankEndsItAndTheJobWaitsForAnother) {
  Do(MakeGangRun("g", 1, 2));
  Join("a");
  Join("b");
  const Decision drained = Do(WorkerDraining{WorkerId("b"), {LeaseOf("g", 0, 1)}});
  EXPECT_THAT(Revoked(drained), ElementsAre("a:g/0:1"));
  EXPECT_EQ(Job("g", 0).lost_attempts, 0);
  EXPECT_THAT(Ranks(Join("c")), ElementsAre("a:0/2@a:7460", "c:1/2@a:7460"));
}

TEST_F(GangTest, CancelRevokesEveryRank) {
  Do(MakeGangRun("g", 1, 2));
  Join("a");
  Join("b");
  EXPECT_THAT(Revoked(Do(RunCancelRequested{RunId("g")})),
              UnorderedElementsAre("a:g/0:1", "b:g/0:1"));
}

TEST_F(GangTest, SurvivesARestartOfTheCoordinator) {
  Do(MakeGangRun("g", 1, 2));
  Join("a");
  Join("b");
  const Lease lease = LeaseOf("g", 0, 1);
  Restart(stored_);
  EXPECT_THAT(Join("a", "cuda", "1", {lease}).kept_leases, ElementsAre(lease));
  EXPECT_THAT(Join("b", "cuda", "1", {lease}).kept_leases, ElementsAre(lease));
  EXPECT_TRUE(Complete("a", lease).verdict.ok());
}

TEST_F(GangTest, RankThatDoesNotComeBackAfterARestartEndsIt) {
  Do(MakeGangRun("g", 1, 2));
  Join("a");
  Join("b");
  const Lease lease = LeaseOf("g", 0, 1);
  Restart(stored_);
  Join("a", "cuda", "1", {lease});
  for (absl::Duration passed; passed < options_.lease_duration; passed += absl::Seconds(3)) {
    Advance(absl::Seconds(3));
    Heartbeat("a", {lease});
  }
  EXPECT_EQ(Job("g", 0).state, JobState::kQueued);
  EXPECT_THAT(Job("g", 0).avoid, ElementsAre(WorkerId("b")));
}

TEST_F(GangTest, WaitingWorkersTakeOtherJobsOnceTheGangCannotBeFormed) {
  Do(MakeGangRun("g", 1, 2));
  Join("a");
  Join("b");  // leased
  Complete("a", LeaseOf("g", 0, 1));
  Do(MakeGangRun("h", 1, 2));
  EXPECT_EQ(Job("h", 0).state, JobState::kLeased);
  Do(MakeRun("s", 1));
  Complete("a", LeaseOf("h", 0, 1));
  Do(MakeGangRun("i", 1, 2));
  // "s" went to one of them; the other waits for it, as "i" could be formed.
  EXPECT_EQ(Job("i", 0).state, JobState::kQueued);
  Do(MakeRun("t", 1));
  EXPECT_EQ(Job("t", 0).state, JobState::kQueued);
  // One of two drains: the gang cannot be formed, the other worker need not wait.
  const std::string busy = Job("s", 0).worker.value();
  Do(WorkerDraining{WorkerId(busy), {}});
  EXPECT_EQ(Job("t", 0).state, JobState::kLeased);
}

TEST_F(GangTest, SingleJobsOfHigherPriorityGoFirst) {
  Do(MakeRun("s", 1));
  Join("a");
  Join("b");
  Do(MakeGangRun("g", 1, 2));
  Do(MakeRun("urgent", 1, 5));
  EXPECT_EQ(Job("urgent", 0).state, JobState::kLeased);
}

TEST_F(GangTest, RefusesARunWithoutRanks) {
  EXPECT_EQ(Do(MakeGangRun("g", 1, 0)).verdict.code(), absl::StatusCode::kInvalidArgument);
}

// Random schedules of gangs of 1 to 8 ranks among a flood of single jobs of the same priority that
// never ends while a gang job waits.
class ScheduleTest : public GangTest, public testing::WithParamInterface<int> {
 protected:
  struct Running {
    absl::Duration end;
    Lease lease;
    std::vector<std::string> workers;  // by rank
  };

  // Takes the assignments of one decision: all ranks of a gang, each on a free worker, or none.
  void Take(const Decision& decision, Random* random) {
    std::vector<const Assign*> assigned;
    for (const Command& command : decision.commands) {
      if (const auto* assign = std::get_if<Assign>(&command)) {
        assigned.push_back(assign);
      }
    }
    for (size_t i = 0; i < assigned.size();) {
      const Assign& first = *assigned[i];
      ASSERT_EQ(first.rank, 0);
      Running running{now_.monotonic + absl::Seconds(1 + random->Below(60)), first.lease, {}};
      for (int rank = 0; rank < first.world_size; ++rank, ++i) {
        ASSERT_LT(i, assigned.size()) << "a gang without all its ranks";
        ASSERT_EQ(assigned[i]->lease, first.lease);
        ASSERT_EQ(assigned[i]->rank, rank);
        ASSERT_EQ(assigned[i]->world_size, first.world_size);
        const std::string worker = assigned[i]->worker.value();
        ASSERT_TRUE(busy_.insert(worker).second) << worker << " has two jobs";
        running.workers.push_back(worker);
      }
      const JobRecord& job = *scheduler_->FindJob(first.lease.job);
      ASSERT_EQ(first.world_size, scheduler_->FindRun(job.run)->ranks);
      running_.push_back(std::move(running));
    }
  }

  std::set<std::string> busy_;
  std::vector<Running> running_;
};

TEST_P(ScheduleTest, NoGangStarvesIsPartialOrLocksAnotherOut) {
  for (int i = 0; i < 50; ++i) {
    const auto seed = static_cast<uint64_t>(GetParam() * 50 + i + 1);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Random random(seed, "schedule");
    stored_ = PersistentState();
    Restart(stored_);
    busy_.clear();
    running_.clear();
    const int workers = static_cast<int>(8 + random.Below(5));
    for (int w = 0; w < workers; ++w) {
      Take(Join(absl::StrCat("w", w)), &random);
    }
    const int gangs = static_cast<int>(2 + random.Below(5));
    int submitted = 0;
    int singles = 0;
    const auto gangs_done = [&] {
      for (int g = 0; g < submitted; ++g) {
        if (Run(absl::StrCat("g", g)).state != RunState::kSucceeded) {
          return false;
        }
      }
      return submitted == gangs;
    };
    const absl::Duration start = now_.monotonic;
    while (!gangs_done()) {
      // Jobs of up to 60 s on at least as many workers as a gang has: each of at most six gang runs
      // of at most three jobs is owed its turn after every other run had one. Far above that.
      ASSERT_LT(now_.monotonic - start, absl::Minutes(60)) << "a gang starves";
      Advance(absl::Seconds(1));
      if (submitted < gangs && random.Below(20) == 0) {
        const int ranks = static_cast<int>(1 + random.Below(8));
        const int jobs = static_cast<int>(1 + random.Below(3));
        Take(Do(MakeGangRun(absl::StrCat("g", submitted++), jobs, ranks)), &random);
      }
      if (random.Below(3) == 0) {
        Take(Do(MakeRun(absl::StrCat("s", singles++), static_cast<int>(1 + random.Below(6)))),
             &random);
      }
      for (int w = 0; w < workers; ++w) {
        const std::string worker = absl::StrCat("w", w);
        std::vector<Lease> leases;
        for (const Running& running : running_) {
          if (std::count(running.workers.begin(), running.workers.end(), worker) > 0) {
            leases.push_back(running.lease);
          }
        }
        Take(Heartbeat(worker, leases), &random);
      }
      for (size_t r = 0; r < running_.size();) {
        if (running_[r].end > now_.monotonic) {
          ++r;
          continue;
        }
        const Running ended = running_[r];
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(r));
        for (const std::string& worker : ended.workers) {
          busy_.erase(worker);
        }
        const Decision done = Complete(ended.workers.front(), ended.lease);
        ASSERT_TRUE(done.verdict.ok()) << done.verdict;
        ASSERT_EQ(Released(done).size() + 1, ended.workers.size());
        Take(done, &random);
      }
      if (HasFatalFailure()) {
        return;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ScheduleTest, testing::Range(0, 20));

}  // namespace
}  // namespace rwku::scheduler
