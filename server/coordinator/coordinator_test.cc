#include "server/coordinator/coordinator.h"

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/store/mem_store.h"

namespace rwku::coordinator {
namespace {

using scheduler::Lease;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FakeClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::UnixEpoch() + Monotonic(); }
  absl::Duration Monotonic() const override {
    absl::MutexLock lock(&mu_);
    return now_;
  }
  void Advance(absl::Duration duration) {
    absl::MutexLock lock(&mu_);
    now_ += duration;
  }

 private:
  mutable absl::Mutex mu_;
  absl::Duration now_ ABSL_GUARDED_BY(mu_) = absl::Seconds(1);
};

// Far longer than any message takes on a machine that is busy with other things.
constexpr absl::Duration kPatience = absl::Seconds(60);

// Keeps what it is sent.
class FakeSession final : public WorkerSession {
 public:
  void Send(SessionMessage message) override {
    absl::MutexLock lock(&mu_);
    messages_.push_back(std::move(message));
  }
  void Close(absl::Status status) override {
    absl::MutexLock lock(&mu_);
    closed_ = std::move(status);
  }
  // Whether there is a message, after a short wait for one.
  bool WaitBriefly() {
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(
        absl::Condition(
            +[](FakeSession* s) ABSL_NO_THREAD_SAFETY_ANALYSIS { return !s->messages_.empty(); },
            this),
        absl::Milliseconds(1));
  }
  // The next message, once there is one. If none comes, the test fails.
  SessionMessage Wait() {
    absl::MutexLock lock(&mu_);
    const bool came = mu_.AwaitWithTimeout(
        absl::Condition(
            +[](FakeSession* s) ABSL_NO_THREAD_SAFETY_ANALYSIS { return !s->messages_.empty(); },
            this),
        kPatience);
    if (!came) {
      ADD_FAILURE() << "no message came within " << absl::FormatDuration(kPatience);
      return {};
    }
    SessionMessage message = std::move(messages_.front());
    messages_.erase(messages_.begin());
    return message;
  }
  bool empty() {
    absl::MutexLock lock(&mu_);
    return messages_.empty();
  }
  absl::Status closed() {
    absl::MutexLock lock(&mu_);
    return closed_;
  }

 private:
  absl::Mutex mu_;
  std::vector<SessionMessage> messages_ ABSL_GUARDED_BY(mu_);
  absl::Status closed_ ABSL_GUARDED_BY(mu_);
};

class CoordinatorTest : public testing::Test {
 protected:
  CoordinatorTest() {
    options_.tick_interval = absl::ZeroDuration();
    options_.scheduler.lease_duration = absl::Seconds(10);
    options_.retry_interval = absl::Milliseconds(1);
    options_.on_fatal = [this](const absl::Status& status) {
      fatal_status_ = status;
      fatal_.Notify();
    };
    options_.on_ready = [this](bool ready) {
      absl::Notification& told = ready ? ready_again_ : not_ready_;
      if (!told.HasBeenNotified()) {
        told.Notify();
      }
    };
    coordinator_ = *Coordinator::Create(options_, &store_, &clock_);
  }

  absl::StatusOr<RunId> Submit(const std::string& request_id = "") {
    scheduler::RunRecord run;
    run.payload = "spec";
    run.request_id = request_id;
    scheduler::JobRecord job;
    job.payload = "job";
    absl::StatusOr<RunId> result;
    absl::Notification done;
    coordinator_->SubmitRun(run, {job}, [&](const absl::StatusOr<RunId>& id) {
      result = id;
      done.Notify();
    });
    done.WaitForNotification();
    return result;
  }

  std::shared_ptr<FakeSession> Join(const std::string& worker) {
    auto session = std::make_shared<FakeSession>();
    coordinator_->Connect({WorkerId(worker), "i", {}, {}, false}, "", session);
    EXPECT_TRUE(std::holds_alternative<WelcomeMessage>(session->Wait()));
    return session;
  }

  scheduler::JobState StateOf(const JobId& job) {
    scheduler::JobState state = scheduler::JobState::kQueued;
    absl::Notification done;
    coordinator_->Read(
        [&](const View& view) -> std::function<void()> {
          state = view.scheduler.FindJob(job)->state;
          return [&done] { done.Notify(); };
        },
        [&done](const absl::Status&) { done.Notify(); });
    done.WaitForNotification();
    return state;
  }

  // Time passes until the store was tried again with success.
  void AwaitReadyAgain() {
    while (!ready_again_.WaitForNotificationWithTimeout(absl::Milliseconds(1))) {
      clock_.Advance(absl::Milliseconds(1));
    }
  }

  FakeClock clock_;
  store::MemStore store_;
  Options options_;
  absl::Notification fatal_;
  absl::Notification not_ready_;
  absl::Notification ready_again_;
  absl::Status fatal_status_;
  std::unique_ptr<Coordinator> coordinator_;
};

TEST_F(CoordinatorTest, NothingIsAnsweredOrSentBeforeTheSync) {
  const auto session = Join("w0");
  absl::Notification go;
  absl::Notification in_commit;
  store_.SetCommitHook([&](const std::vector<store::Batch>&) {
    in_commit.Notify();
    go.WaitForNotification();
    return absl::OkStatus();
  });
  absl::Notification answered;
  absl::Notification read;
  scheduler::JobRecord job;
  coordinator_->SubmitRun({}, {job}, [&](const absl::StatusOr<RunId>&) { answered.Notify(); });
  in_commit.WaitForNotification();
  coordinator_->Read([&](const View&) { return [&] { read.Notify(); }; },
                     [](const absl::Status&) {});
  EXPECT_FALSE(answered.HasBeenNotified());
  EXPECT_FALSE(read.HasBeenNotified());
  EXPECT_TRUE(session->empty());
  store_.SetCommitHook(nullptr);
  go.Notify();
  answered.WaitForNotification();
  read.WaitForNotification();
  EXPECT_TRUE(std::holds_alternative<AssignMessage>(session->Wait()));
}

TEST_F(CoordinatorTest, SilentWorkerLosesItsLeaseAndAnotherGetsIt) {
  const auto silent = Join("w0");
  ASSERT_TRUE(Submit().ok());
  const auto first = std::get<AssignMessage>(silent->Wait());
  clock_.Advance(absl::Seconds(9));
  const auto other = Join("w1");
  coordinator_->Tick();
  EXPECT_EQ(StateOf(first.lease.job), scheduler::JobState::kLeased);
  clock_.Advance(absl::Seconds(2));
  coordinator_->Tick();
  EXPECT_TRUE(std::holds_alternative<RevokeMessage>(silent->Wait()));
  clock_.Advance(options_.scheduler.loss_backoff_base);
  coordinator_->Tick();
  const auto second = std::get<AssignMessage>(other->Wait());
  EXPECT_EQ(second.lease.job, first.lease.job);
  EXPECT_EQ(second.lease.fencing_token, first.lease.fencing_token + 1);
}

// The timer of these two runs in real time, and changes nothing.
TEST_F(CoordinatorTest, PauseOfTheProcessThatIsShorterThanAShortLeaseCostsNoLease) {
  options_.tick_interval = absl::Milliseconds(50);
  options_.scheduler.lease_duration = absl::Milliseconds(1500);
  coordinator_ = *Coordinator::Create(options_, &store_, &clock_);
  const auto session = Join("w0");
  ASSERT_TRUE(Submit().ok());
  const auto assign = std::get<AssignMessage>(session->Wait());
  clock_.Advance(absl::Milliseconds(1400));
  coordinator_->Tick();
  clock_.Advance(absl::Milliseconds(400));
  coordinator_->Tick();
  EXPECT_EQ(StateOf(assign.lease.job), scheduler::JobState::kLeased);
}

TEST_F(CoordinatorTest, PauseOfTheProcessCostsNoLease) {
  options_.tick_interval = absl::Milliseconds(50);
  coordinator_ = *Coordinator::Create(options_, &store_, &clock_);
  const auto first = Join("w0");
  const auto second = Join("w1");
  ASSERT_TRUE(Submit().ok());
  ASSERT_TRUE(Submit().ok());
  const auto a = std::get<AssignMessage>(first->Wait());
  const auto b = std::get<AssignMessage>(second->Wait());
  clock_.Advance(absl::Seconds(30));
  // The first heartbeat after it is taken in, the other still waits in its socket.
  coordinator_->Heartbeat({WorkerId("w0"), {a.lease}, {}}, first);
  coordinator_->Tick();
  EXPECT_EQ(StateOf(b.lease.job), scheduler::JobState::kLeased);
  coordinator_->Heartbeat({WorkerId("w1"), {b.lease}, {}}, second);
  EXPECT_TRUE(first->empty());
  EXPECT_TRUE(second->empty());
  // Time that is watched passing counts.
  for (int i = 0; i < 11; ++i) {
    clock_.Advance(absl::Seconds(1));
    coordinator_->Tick();
  }
  EXPECT_TRUE(std::holds_alternative<RevokeMessage>(second->Wait()));
}

TEST_F(CoordinatorTest, NewerStreamOfAWorkerReplacesTheOlder) {
  const auto old_session = Join("w0");
  const auto session = Join("w0");
  EXPECT_TRUE(absl::IsAborted(old_session->closed()));
  // The end of the old stream does not disconnect the worker.
  coordinator_->Disconnect(WorkerId("w0"), old_session);
  ASSERT_TRUE(Submit().ok());
  EXPECT_TRUE(std::holds_alternative<AssignMessage>(session->Wait()));
}

TEST_F(CoordinatorTest, SecondProcessOfANameIsRefusedWhileTheFirstLives) {
  const auto first = Join("w0");
  ASSERT_TRUE(Submit().ok());
  const auto assign = std::get<AssignMessage>(first->Wait());
  const auto second = std::make_shared<FakeSession>();
  const auto connect = [&] {
    coordinator_->Connect({WorkerId("w0"), "another", {}, {}, false}, "", second);
  };
  connect();
  EXPECT_TRUE(absl::IsAlreadyExists(second->closed()));
  EXPECT_TRUE(first->closed().ok());
  EXPECT_EQ(StateOf(assign.lease.job), scheduler::JobState::kLeased);
  // A stream that broke, or that was silent for a lease, makes room.
  coordinator_->Disconnect(WorkerId("w0"), first);
  connect();
  EXPECT_TRUE(std::holds_alternative<WelcomeMessage>(second->Wait()));
  clock_.Advance(absl::Seconds(11));
  const auto third = std::make_shared<FakeSession>();
  coordinator_->Connect({WorkerId("w0"), "third", {}, {}, false}, "", third);
  EXPECT_TRUE(std::holds_alternative<WelcomeMessage>(third->Wait()));
}

TEST_F(CoordinatorTest, LostStoreIsFatalAndNothingIsAcknowledged) {
  store_.SetCommitHook([](const std::vector<store::Batch>&) {
    return absl::DataLossError("000012.log: checksum mismatch");
  });
  const absl::Status refused = Submit().status();
  EXPECT_TRUE(absl::IsDataLoss(refused));
  fatal_.WaitForNotification();
  EXPECT_THAT(std::string(fatal_status_.message()), HasSubstr("000012.log"));
  store_.SetCommitHook(nullptr);
  EXPECT_TRUE(absl::IsDataLoss(Submit().status()));
  EXPECT_FALSE(coordinator_->Ready().ok());
  EXPECT_TRUE(store_.Load()->runs.empty());
}

TEST_F(CoordinatorTest, DamageThatACompletionMeetsIsFatalAndNoResult) {
  const auto session = Join("w0");
  ASSERT_TRUE(Submit().ok());
  const Lease lease = std::get<AssignMessage>(session->Wait()).lease;
  store_.SetReadHook([] { return absl::DataLossError("000012.sst: checksum mismatch"); });
  coordinator_->Complete({WorkerId("w0"), lease, "result"}, 0, session);
  fatal_.WaitForNotification();
  EXPECT_THAT(std::string(fatal_status_.message()), HasSubstr("000012.sst"));
  EXPECT_TRUE(absl::IsDataLoss(Submit().status()));
  EXPECT_TRUE(session->empty());
  EXPECT_EQ(store_.Load()->jobs.front().state, scheduler::JobState::kLeased);
}

TEST_F(CoordinatorTest, AFullDiskIsToldAsNotReadyUntilThereIsRoom) {
  store_.SetCommitHook([](const std::vector<store::Batch>&) {
    return absl::ResourceExhaustedError("no space left on device");
  });
  EXPECT_TRUE(absl::IsResourceExhausted(Submit().status()));
  not_ready_.WaitForNotification();
  EXPECT_TRUE(absl::IsResourceExhausted(coordinator_->Ready()));
  store_.SetCommitHook(nullptr);
  AwaitReadyAgain();
  EXPECT_TRUE(coordinator_->Ready().ok());
}

TEST_F(CoordinatorTest, AFrozenCoordinatorIsNotReadyBeforeTheStoreHasRoom) {
  std::atomic<int> tries = 0;
  store_.SetCommitHook([&tries](const std::vector<store::Batch>&) {
    ++tries;
    return absl::ResourceExhaustedError("no space left on device");
  });
  EXPECT_TRUE(absl::IsResourceExhausted(Submit().status()));
  const RealClock real;
  for (const absl::Duration end = real.Monotonic() + kPatience;
       tries < 5 && real.Monotonic() < end;) {
    clock_.Advance(absl::Milliseconds(1));
    EXPECT_FALSE(ready_again_.WaitForNotificationWithTimeout(absl::Milliseconds(1)));
  }
  EXPECT_GE(tries, 5);
  store_.SetCommitHook(nullptr);
  AwaitReadyAgain();
}

TEST_F(CoordinatorTest, AStoreThatIsLostWhileItHasNoRoomIsFatal) {
  store_.SetCommitHook([](const std::vector<store::Batch>& batches) {
    return batches.empty() ? absl::DataLossError("a write failed half-way")
                           : absl::ResourceExhaustedError("no space left on device");
  });
  EXPECT_TRUE(absl::IsResourceExhausted(Submit().status()));
  while (!fatal_.WaitForNotificationWithTimeout(absl::Milliseconds(1))) {
    clock_.Advance(absl::Milliseconds(1));
  }
  EXPECT_TRUE(absl::IsDataLoss(Submit().status()));
}

TEST_F(CoordinatorTest, FrozenCoordinatorKeepsChunksUntilThereIsRoom) {
  const auto session = Join("w0");
  ASSERT_TRUE(Submit().ok());
  const auto assign = std::get<AssignMessage>(session->Wait());
  store_.SetCommitHook([](const std::vector<store::Batch>&) {
    return absl::ResourceExhaustedError("no space left on device");
  });
  coordinator_->StoreChunk(WorkerId("w0"), {assign.lease.job, assign.lease.fencing_token, 0, {"p"}},
                           session);
  EXPECT_TRUE(absl::IsResourceExhausted(Submit().status()));
  // Longer than a lease: it does not expire, for its heartbeats could not be taken in.
  clock_.Advance(absl::Seconds(60));
  coordinator_->Tick();
  store_.SetCommitHook(nullptr);
  // Time passes until the next try is due.
  while (!session->WaitBriefly()) {
    clock_.Advance(absl::Milliseconds(1));
  }
  ASSERT_TRUE(std::holds_alternative<ChunkAckMessage>(session->Wait()));
  EXPECT_EQ(*store_.CountChunks(assign.lease.job, assign.lease.fencing_token), 1);
  EXPECT_EQ(StateOf(assign.lease.job), scheduler::JobState::kLeased);
}

TEST_F(CoordinatorTest, FrozenCoordinatorWelcomesAWorkerWithTheLeasesOfTheStore) {
  options_.retry_interval = absl::Hours(1);
  coordinator_ = *Coordinator::Create(options_, &store_, &clock_);
  const auto session = Join("w0");
  ASSERT_TRUE(Submit().ok());
  const Lease lease = std::get<AssignMessage>(session->Wait()).lease;
  store_.SetCommitHook([](const std::vector<store::Batch>&) {
    return absl::ResourceExhaustedError("no space left on device");
  });
  EXPECT_TRUE(absl::IsResourceExhausted(Submit().status()));
  coordinator_->Disconnect(WorkerId("w0"), session);
  const auto again = std::make_shared<FakeSession>();
  const Lease stale{lease.job, lease.fencing_token + 1};
  coordinator_->Connect({WorkerId("w0"), "i", {}, {lease, stale}, false}, "", again);
  EXPECT_THAT(std::get<WelcomeMessage>(again->Wait()).kept, ElementsAre(lease));
  EXPECT_EQ(std::get<RevokeMessage>(again->Wait()).lease, stale);
}

TEST_F(CoordinatorTest, WelcomeComesBeforeAssignmentsWhenThereIsRoomAgain) {
  ASSERT_TRUE(Submit().ok());
  store_.SetCommitHook([](const std::vector<store::Batch>&) {
    return absl::ResourceExhaustedError("no space left on device");
  });
  EXPECT_TRUE(absl::IsResourceExhausted(Submit().status()));
  const auto session = Join("w0");
  store_.SetCommitHook(nullptr);
  while (!session->WaitBriefly()) {
    clock_.Advance(absl::Milliseconds(1));
  }
  EXPECT_TRUE(std::holds_alternative<AssignMessage>(session->Wait()));
}

TEST_F(CoordinatorTest, ADrainThatWasNotStoredLeavesTheWorkerAtWork) {
  const auto session = Join("w0");
  absl::Notification go;
  absl::Notification in_commit;
  store_.SetCommitHook([&](const std::vector<store::Batch>&) {
    in_commit.Notify();
    go.WaitForNotification();
    return absl::ResourceExhaustedError("no space left on device");
  });
  absl::Notification refused;
  coordinator_->SubmitRun({}, {scheduler::JobRecord()}, [](const absl::StatusOr<RunId>&) {});
  in_commit.WaitForNotification();
  coordinator_->Apply(scheduler::WorkerDraining{WorkerId("w0"), {}},
                      [&](const absl::Status& status) {
                        EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
                        refused.Notify();
                      });
  store_.SetCommitHook(nullptr);
  go.Notify();
  refused.WaitForNotification();
  AwaitReadyAgain();
  ASSERT_TRUE(Submit().ok());
  EXPECT_TRUE(std::holds_alternative<AssignMessage>(session->Wait()));
}

TEST_F(CoordinatorTest, ADrainIsToldAgainWhenTheStoreHasRoomAgain) {
  const auto session = Join("w0");
  absl::Notification drained;
  coordinator_->Apply(scheduler::WorkerDraining{WorkerId("w0"), {}},
                      [&drained](const absl::Status& status) {
                        EXPECT_TRUE(status.ok()) << status;
                        drained.Notify();
                      });
  drained.WaitForNotification();
  EXPECT_TRUE(std::holds_alternative<DrainMessage>(session->Wait()));
  store_.SetCommitHook([](const std::vector<store::Batch>&) {
    return absl::ResourceExhaustedError("no space left on device");
  });
  EXPECT_TRUE(absl::IsResourceExhausted(Submit().status()));
  coordinator_->Disconnect(WorkerId("w0"), session);
  const auto again = Join("w0");
  store_.SetCommitHook(nullptr);
  AwaitReadyAgain();
  EXPECT_TRUE(std::holds_alternative<DrainMessage>(again->Wait()));
  ASSERT_TRUE(Submit().ok());
  EXPECT_TRUE(again->empty());
}

TEST_F(CoordinatorTest, WorkersWithTooMuchForAFrozenStoreAreSentAway) {
  options_.retry_interval = absl::Hours(1);
  options_.max_parked_bytes = 1000;
  coordinator_ = *Coordinator::Create(options_, &store_, &clock_);
  auto session = Join("w0");
  ASSERT_TRUE(Submit().ok());
  const Lease lease = std::get<AssignMessage>(session->Wait()).lease;
  store_.SetCommitHook([](const std::vector<store::Batch>&) {
    return absl::ResourceExhaustedError("no space left on device");
  });
  EXPECT_TRUE(absl::IsResourceExhausted(Submit().status()));
  // What a broken stream said is forgotten: the worker says it again on the next one.
  for (int i = 0; i < 10; ++i) {
    coordinator_->StoreChunk(WorkerId("w0"), {lease.job, lease.fencing_token, 0, {"p"}}, session);
    EXPECT_TRUE(session->closed().ok());
    session = std::make_shared<FakeSession>();
    coordinator_->Connect({WorkerId("w0"), "i", {}, {lease}, false}, "", session);
  }
  coordinator_->StoreChunk(WorkerId("w0"),
                           {lease.job, lease.fencing_token, 0, {std::string(1000, 'p')}}, session);
  EXPECT_TRUE(absl::IsResourceExhausted(session->closed()));
}

TEST_F(CoordinatorTest, StoppedCoordinatorRefusesEverything) {
  coordinator_->Stop();
  EXPECT_TRUE(absl::IsUnavailable(Submit().status()));
  const auto session = std::make_shared<FakeSession>();
  coordinator_->Connect({WorkerId("w0"), "i", {}, {}, false}, "", session);
  EXPECT_TRUE(absl::IsUnavailable(session->closed()));
}

}  // namespace
}  // namespace rwku::coordinator
