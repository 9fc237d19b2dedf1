#include "tests/simulation/sim_coordinator.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

#include "tests/simulation/sim_worker.h"

namespace rwku::simulation {
namespace {

using scheduler::Decision;
using scheduler::Event;

// The worker that an event comes from; null for events of clients.
const WorkerId* WorkerOf(const Event& event) {
  return std::visit(
      [](const auto& e) -> const WorkerId* {
        if constexpr (requires { e.worker; }) {
          return &e.worker;
        } else {
          return nullptr;
        }
      },
      event);
}

scheduler::Options SchedulerOptions() {
  scheduler::Options options;
  options.backoff_limit = absl::Seconds(30);
  return options;
}

}  // namespace

SimCoordinator::SimCoordinator(World& world, store::MemStore& store, Checker& checker)
    : world_(world), store_(store), checker_(checker) {
  store_.SetCommitHook([this](const std::vector<store::Batch>& /*batches*/) {
    if (std::exchange(fail_next_commit_, false)) {
      return absl::ResourceExhaustedError("no space left");
    }
    return absl::OkStatus();
  });
}

scheduler::Now SimCoordinator::Now() const {
  return {world_.now() + monotonic_offset_,
          absl::FromUnixSeconds(1'700'000'000) + world_.now() + wall_offset_};
}

void SimCoordinator::Start() {
  scheduler::PersistentState state = *store_.Load();
  checker_.CheckStartable(state);
  if (!checker_.ok()) {
    return;
  }
  if (world_.Has(Bug::kTokensForgottenOnRestart)) {
    for (scheduler::JobRecord& job : state.jobs) {
      if (job.state == scheduler::JobState::kQueued && job.fencing_token > 0) {
        --job.fencing_token;
      }
    }
  }
  ++incarnation_;
  // Another process: its monotonic clock starts somewhere else.
  monotonic_offset_ = absl::Milliseconds(world_.random().Below(1'000'000'000));
  sessions_.clear();
  next_tick_ = absl::InfiniteDuration();
  scheduler_ = std::make_unique<scheduler::Scheduler>(SchedulerOptions(), std::move(state), Now());
  checker_.CheckAll(*scheduler_);
  ScheduleTick();
}

void SimCoordinator::Crash(absl::Duration down) {
  if (scheduler_ == nullptr) {
    return;
  }
  world_.Trace("coordinator down");
  scheduler_.reset();
  fail_next_commit_ = false;
  for (const auto& [id, session] : sessions_) {
    SimWorker* worker = workers_.at(id);
    world_.Send([worker, s = session] { worker->OnClosed(s); });
  }
  sessions_.clear();
  world_.After(down, [this] { Start(); });
}

void SimCoordinator::ScheduleTick() {
  const absl::Duration deadline = scheduler_->NextDeadline() - monotonic_offset_;
  if (deadline >= next_tick_) {
    return;
  }
  next_tick_ = deadline;
  world_.At(std::max(deadline, world_.now()), [this, process = incarnation_, deadline] {
    if (scheduler_ != nullptr && process == incarnation_ && next_tick_ == deadline) {
      next_tick_ = absl::InfiniteDuration();
      Process(scheduler::Tick{}, nullptr);
    }
  });
}

bool SimCoordinator::Commit(const std::vector<scheduler::StateChange>& changes) {
  store::Batch batch;
  batch.changes = changes;
  if (world_.Has(Bug::kLeaseNotStored)) {
    std::erase_if(batch.changes, [](const scheduler::StateChange& change) {
      const auto* put = std::get_if<scheduler::PutJob>(&change);
      return put != nullptr && put->job.state == scheduler::JobState::kLeased;
    });
  }
  std::vector<store::Batch> parts = {batch};
  if (world_.Has(Bug::kCommitNotAtomic)) {
    parts.clear();
    for (const scheduler::StateChange& change : batch.changes) {
      parts.push_back(store::Batch{{change}, {}});
    }
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0 && world_.Fault("crash in a commit", 20)) {
      Crash(absl::Seconds(1));
      return false;
    }
    if (!store_.Commit({parts[i]}).ok()) {
      world_.CountFault("commit failure");
      Crash(absl::Seconds(1));  // the scheduler is ahead of the store: start from the store
      return false;
    }
    checker_.OnCommitted(parts[i]);
  }
  return true;
}

void SimCoordinator::Process(const Event& event, const Answer& answer) {
  const Decision decision = scheduler_->Step(event, Now());
  world_.Trace(absl::StrCat("step ", event.index(), " ", static_cast<int>(decision.verdict.code()),
                            " ", decision.changes.size(), " ", decision.commands.size(), " ",
                            scheduler_->revision()));
  if (world_.Has(Bug::kAckBeforeCommit) && answer) {
    answer(decision);
  }
  if (!decision.changes.empty()) {
    if (world_.Fault("crash before a commit", 10)) {
      Crash(absl::Milliseconds(world_.random().Below(20'000)));
      return;
    }
    if (!Commit(decision.changes)) {
      return;
    }
    if (world_.Fault("crash after a commit", 10)) {
      Crash(absl::Milliseconds(world_.random().Below(20'000)));
      return;
    }
  }
  for (const scheduler::Command& command : decision.commands) {
    Carry(command);
  }
  if (!world_.Has(Bug::kAckBeforeCommit) && answer) {
    answer(decision);
  }
  if (++steps_ % 16 == 0) {
    checker_.CheckAll(*scheduler_);
  }
  ScheduleTick();
}

void SimCoordinator::Carry(const scheduler::Command& command) {
  if (const auto* assign = std::get_if<scheduler::Assign>(&command)) {
    const auto session = sessions_.find(assign->worker);
    if (session == sessions_.end()) {
      return;
    }
    checker_.OnAssign(*scheduler_, *assign);
    SimWorker* worker = workers_.at(assign->worker);
    const scheduler::JobRecord job = *scheduler_->FindJob(assign->lease.job);
    world_.Send(
        [worker, s = session->second, assign = *assign, job] { worker->OnAssign(s, assign, job); });
  } else if (const auto* release = std::get_if<scheduler::Release>(&command)) {
    const auto session = sessions_.find(release->worker);
    if (session == sessions_.end()) {
      return;
    }
    SimWorker* worker = workers_.at(release->worker);
    world_.Send(
        [worker, s = session->second, lease = release->lease] { worker->OnAnswer(s, lease); });
  } else if (const auto* revoke = std::get_if<scheduler::Revoke>(&command)) {
    const auto session = sessions_.find(revoke->worker);
    if (session == sessions_.end()) {
      return;
    }
    SimWorker* worker = workers_.at(revoke->worker);
    world_.Send(
        [worker, s = session->second, lease = revoke->lease] { worker->OnRevoke(s, lease); });
  } else if (const auto* drain = std::get_if<scheduler::Drain>(&command)) {
    const auto session = sessions_.find(drain->worker);
    if (session == sessions_.end()) {
      return;
    }
    // A stream that loses it breaks, and the next one hears of it again.
    SimWorker* worker = workers_.at(drain->worker);
    world_.SendOnce([worker, s = session->second] { worker->OnDrain(s); });
  }
}

bool SimCoordinator::AllTakePart(const scheduler::Lease& lease, int world_size) const {
  return std::count_if(workers_.begin(), workers_.end(), [&lease](const auto& entry) {
           return entry.second->TakesPart(lease);
         }) == world_size;
}

void SimCoordinator::BreakStream(const WorkerId& worker) {
  const auto session = sessions_.find(worker);
  if (scheduler_ == nullptr || session == sessions_.end()) {
    return;
  }
  world_.Send([w = workers_.at(worker), s = session->second] { w->OnClosed(s); });
  OnStreamBroken(worker, session->second);
}

void SimCoordinator::OnStreamBroken(const WorkerId& worker, uint64_t session) {
  const auto it = sessions_.find(worker);
  if (scheduler_ == nullptr || it == sessions_.end() || it->second != session) {
    return;
  }
  sessions_.erase(it);
  for (const scheduler::WorkerView& view : scheduler_->Workers()) {
    if (view.id == worker) {
      Process(scheduler::WorkerDisconnected{worker, view.incarnation}, nullptr);
      return;
    }
  }
}

void SimCoordinator::PostHello(uint64_t session, const scheduler::WorkerConnected& hello) {
  world_.Send([this, session, hello] {
    const auto known = sessions_.find(hello.worker);
    if (scheduler_ == nullptr || (known != sessions_.end() && session <= known->second)) {
      return;
    }
    sessions_[hello.worker] = session;
    Process(hello, [this, session, id = hello.worker](const Decision& decision) {
      SimWorker* worker = workers_.at(id);
      world_.Send(
          [worker, session, kept = decision.kept_leases] { worker->OnWelcome(session, kept); });
    });
  });
}

bool SimCoordinator::IsCurrent(const WorkerId& worker, uint64_t session) {
  const auto known = sessions_.find(worker);
  if (known != sessions_.end() && known->second == session) {
    return true;
  }
  world_.Send([w = workers_.at(worker), session] { w->OnClosed(session); });
  return false;
}

void SimCoordinator::Post(uint64_t session, const Event& event) {
  world_.Send([this, session, event] {
    if (scheduler_ != nullptr && IsCurrent(*WorkerOf(event), session)) {
      Deliver(session, event);
    }
  });
}

void SimCoordinator::Deliver(uint64_t session, Event event) {
  const WorkerId id = *WorkerOf(event);
  std::optional<scheduler::Lease> ended;
  bool completed = false;
  if (auto* completion = std::get_if<scheduler::AttemptCompleted>(&event)) {
    ended = completion->lease;
    completed = true;
    if (scheduler_->CheckLease(id, *ended).ok() &&
        *store_.CountChunks(ended->job, ended->fencing_token) <
            static_cast<int>(ExpectedChunks("").size())) {
      return;  // a chunk was lost on the way: the worker sends all of it again
    }
    const scheduler::JobRecord* job = scheduler_->FindJob(completion->lease.job);
    if (world_.Has(Bug::kCompletionsNotFenced) && job != nullptr) {
      completion->worker = job->worker;
      completion->lease.fencing_token = job->fencing_token;
    }
  } else if (const auto* failure = std::get_if<scheduler::AttemptFailed>(&event)) {
    ended = failure->lease;
  }
  Process(event, [this, session, id, ended, completed](const Decision& decision) {
    if (!ended) {
      return;
    }
    if (completed && decision.verdict.ok()) {
      checker_.OnResultAcked(id, *ended);
    }
    SimWorker* worker = workers_.at(id);
    world_.Send([worker, session, lease = *ended] { worker->OnAnswer(session, lease); });
  });
}

void SimCoordinator::PostChunk(uint64_t session, const WorkerId& worker,
                               const store::PredictionChunk& chunk) {
  world_.Send([this, session, worker, chunk] {
    if (scheduler_ != nullptr && IsCurrent(worker, session)) {
      DeliverChunk(session, worker, chunk);
    }
  });
}

void SimCoordinator::DeliverChunk(uint64_t /*session*/, const WorkerId& worker,
                                  const store::PredictionChunk& chunk) {
  const scheduler::Lease lease{chunk.job, chunk.fencing_token};
  if (!world_.Has(Bug::kChunksNotFenced) && !scheduler_->CheckResultLease(worker, lease).ok()) {
    return;
  }
  store::Batch batch;
  batch.chunks.push_back(chunk);
  if (!store_.Commit({batch}).ok()) {
    world_.CountFault("commit failure");
    Crash(absl::Seconds(1));
  }
}

void SimCoordinator::Call(const Event& event, std::function<void(const absl::Status&)> answer) {
  if (scheduler_ != nullptr) {
    Process(event, [&answer](const Decision& decision) { answer(decision.verdict); });
  }
}

}  // namespace rwku::simulation
