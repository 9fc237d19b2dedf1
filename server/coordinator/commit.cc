// The coordinator's threads: the commit loop with its answers to a failing store, and the timer.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "base/log.h"
#include "base/status_macros.h"
#include "server/coordinator/coordinator.h"

namespace rwku::coordinator {
namespace {

using scheduler::Lease;

// Room that the store must have, beside what is parked, before changes are taken again: more than
// the next commits need.
constexpr size_t kRoomToGoOn = size_t{1} << 20U;

}  // namespace

void Coordinator::CommitLoop() {
  absl::Duration thaw_time = absl::InfiniteDuration();
  while (true) {
    std::vector<Entry> entries;
    bool thaw = false;
    absl::Status loss;
    {
      absl::MutexLock lock(&mu_);
      const absl::Condition has_work(
          +[](Coordinator* c) ABSL_NO_THREAD_SAFETY_ANALYSIS { return c->HasWork(); }, this);
      if (mode_ == Mode::kFrozen) {
        if (thaw_time == absl::InfiniteDuration()) {
          thaw_time = clock_->Monotonic() + retry_delay_;
        }
        mu_.AwaitWithTimeout(has_work, retry_delay_);
        thaw = mode_ == Mode::kFrozen && clock_->Monotonic() >= thaw_time;
      } else {
        mu_.Await(has_work);
      }
      entries.swap(queue_);
      std::swap(loss, loss_);
      if (mode_ == Mode::kStopped && entries.empty()) {
        return;
      }
      committing_ = !entries.empty();
    }
    if (!loss.ok()) {
      Fatal(&entries, loss);
      continue;
    }
    std::vector<store::Batch> batches;
    for (Entry& entry : entries) {
      if (!entry.batch.empty()) {
        batches.push_back(std::move(entry.batch));
      }
    }
    const absl::Status status = batches.empty() ? absl::OkStatus() : store_->Commit(batches);
    if (status.ok()) {
      {
        absl::MutexLock lock(&mu_);
        for (const store::Batch& batch : batches) {
          for (const scheduler::StateChange& change : batch.changes) {
            NoteCommitted(change);
          }
        }
        if (!batches.empty()) {
          retry_delay_ = options_.retry_interval;
        }
      }
      Deliver(&entries);
    } else if (absl::IsResourceExhausted(status)) {
      Freeze(&entries, status);
      TellReadiness();
      thaw_time = absl::InfiniteDuration();
    } else {
      Fatal(&entries, status);
    }
    if (thaw) {
      if (Thaw()) {
        TellReadiness();
      }
      thaw_time = absl::InfiniteDuration();
    }
  }
}

void Coordinator::TellReadiness() {
  if (options_.on_ready != nullptr) {
    options_.on_ready(Ready().ok());
  }
}

void Coordinator::NoteCommitted(const scheduler::StateChange& change) {
  if (const auto* put = std::get_if<scheduler::PutRun>(&change)) {
    hub_.NotifyChange(put->run.id);
  } else if (const auto* job = std::get_if<scheduler::PutJob>(&change)) {
    const bool live = job->job.state == scheduler::JobState::kLeased;
    progress_.Trim(job->job.run, job->job.id, live ? job->job.fencing_token : 0);
    hub_.NotifyChange(job->job.run);
  } else if (const auto* erase = std::get_if<scheduler::EraseRun>(&change)) {
    progress_.EraseRun(erase->run);
    hub_.NotifyDeleted(erase->run);
  }
}

void Coordinator::Deliver(std::vector<Entry>* entries) {
  {
    absl::MutexLock lock(&mu_);
    for (const Entry& entry : *entries) {
      for (const auto& [worker, lease] : entry.ended) {
        if (const auto found = workers_.find(worker); found != workers_.end()) {
          std::erase(found->second.leases, lease);
        }
      }
      for (const auto& [worker, lease] : entry.granted) {
        if (const auto found = workers_.find(worker); found != workers_.end()) {
          found->second.leases.push_back(lease);
        }
      }
    }
  }
  for (const Entry& entry : *entries) {
    for (const auto& deliver : entry.deliveries) {
      deliver();
    }
  }
  absl::MutexLock lock(&mu_);
  committing_ = false;
}

absl::Status Coordinator::Rebuild() {
  RWKU_ASSIGN_OR_RETURN(scheduler::PersistentState state, store_->Load());
  absl::MutexLock lock(&mu_);
  scheduler_ = std::make_unique<scheduler::Scheduler>(options_.scheduler, std::move(state), Now());
  return absl::OkStatus();
}

void Coordinator::Freeze(std::vector<Entry>* entries, const absl::Status& status) {
  RWKU_LOG(kError, "the store has no room: changes are refused until it has")
      .With("error", status.message());
  std::vector<std::function<void()>> at_once;
  std::vector<std::pair<Reply, absl::Status>> failures;
  const absl::Status refusal = absl::ResourceExhaustedError(
      absl::StrCat(std::string(status.message()), "; try again once there is room"));
  {
    absl::MutexLock lock(&mu_);
    if (mode_ != Mode::kStopped) {
      mode_ = Mode::kRebuilding;
      trouble_ = refusal;
    }
    // What was decided meanwhile was decided upon a state that never came to be.
    std::move(queue_.begin(), queue_.end(), std::back_inserter(*entries));
    queue_.clear();
    committing_ = false;
    for (Entry& entry : *entries) {
      if (entry.again != nullptr && entry.failed != nullptr) {
        at_once.push_back(std::move(entry.again));
      } else if (entry.again != nullptr) {
        Park(std::move(entry.again), entry.bytes, entry.session);
      } else if (entry.failed != nullptr) {
        failures.emplace_back(std::move(entry.failed), refusal);
      }
    }
  }
  if (const absl::Status rebuilt = Rebuild(); !rebuilt.ok()) {
    entries->clear();
    Fatal(entries, rebuilt);
  } else {
    absl::MutexLock lock(&mu_);
    if (mode_ == Mode::kRebuilding) {
      mode_ = Mode::kFrozen;
    }
  }
  CloseOverfull();
  for (const auto& [reply, error] : failures) {
    reply(error);
  }
  for (const auto& again : at_once) {
    again();
  }
}

bool Coordinator::Thaw() {
  size_t bytes = kRoomToGoOn;
  {
    absl::MutexLock lock(&mu_);
    if (mode_ != Mode::kFrozen) {
      return false;
    }
    // The next failure, if there is one, is waited out for longer.
    retry_delay_ = std::min(retry_delay_ * 2, options_.retry_limit);
    bytes += parked_bytes_;
  }
  std::vector<Entry> none;
  if (const absl::Status room = store_->Probe(bytes); !room.ok()) {
    if (!absl::IsResourceExhausted(room)) {
      Fatal(&none, room);
    }
    return false;
  }
  {
    absl::MutexLock lock(&mu_);
    if (mode_ != Mode::kFrozen) {
      return false;
    }
    mode_ = Mode::kRebuilding;
  }
  // Made anew, leases get their full duration from now.
  if (const absl::Status rebuilt = Rebuild(); !rebuilt.ok()) {
    Fatal(&none, rebuilt);
    return false;
  }
  std::deque<Parked> parked;
  {
    absl::MutexLock lock(&mu_);
    if (mode_ != Mode::kRebuilding) {
      return false;
    }
    mode_ = Mode::kRunning;
    trouble_ = absl::OkStatus();
    for (const auto& [worker, info] : workers_) {
      // Nothing is assigned before the Welcome: a connection that is still queued is stepped then.
      if (info.session == nullptr || !info.welcomed) {
        continue;
      }
      Entry entry;
      StepInto(scheduler::WorkerConnected{worker, info.incarnation, info.resident_models,
                                          info.leases, info.draining, info.drain_asked,
                                          info.gang_kind, info.gang_address},
               &entry);
      queue_.push_back(std::move(entry));
    }
    parked.swap(parked_);
    parked_bytes_ = 0;
  }
  for (const Parked& message : parked) {
    message.again();
  }
  return true;
}

void Coordinator::Fatal(std::vector<Entry>* entries, const absl::Status& status) {
  RWKU_LOG(kError, "the store is lost: nothing is acknowledged any more")
      .With("error", status.ToString());
  bool first = false;
  {
    absl::MutexLock lock(&mu_);
    first = mode_ != Mode::kFatal && mode_ != Mode::kStopped;
    if (first) {
      mode_ = Mode::kFatal;
    }
    trouble_ = status;
    std::move(queue_.begin(), queue_.end(), std::back_inserter(*entries));
    queue_.clear();
    committing_ = false;
    parked_.clear();
    parked_bytes_ = 0;
  }
  for (const Entry& entry : *entries) {
    if (entry.failed != nullptr) {
      entry.failed(status);
    }
  }
  if (first && options_.on_fatal != nullptr) {
    options_.on_fatal(status);
  }
}

void Coordinator::TimerLoop() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      const absl::Condition stopped(
          +[](Coordinator* c) ABSL_NO_THREAD_SAFETY_ANALYSIS { return c->mode_ == Mode::kStopped; },
          this);
      if (mu_.AwaitWithTimeout(stopped, options_.tick_interval)) {
        return;
      }
    }
    Tick();
  }
}

void Coordinator::CloseStreams(const absl::Status& status) {
  std::vector<std::shared_ptr<WorkerSession>> sessions;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [worker, info] : workers_) {
      if (info.session != nullptr) {
        sessions.push_back(info.session);
      }
    }
  }
  for (const auto& session : sessions) {
    session->Close(status);
  }
  hub_.CloseAll(status);
}

void Coordinator::Stop() {
  {
    absl::MutexLock lock(&mu_);
    if (mode_ != Mode::kStopped) {
      mode_ = Mode::kStopped;
      if (trouble_.ok()) {
        trouble_ = absl::UnavailableError("the coordinator is shutting down; try again");
      }
      parked_.clear();
      parked_bytes_ = 0;
    }
  }
  if (commit_thread_.joinable()) {
    commit_thread_.join();
  }
  if (timer_thread_.joinable()) {
    timer_thread_.join();
  }
}

}  // namespace rwku::coordinator
