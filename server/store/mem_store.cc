#include "server/store/mem_store.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <variant>

#include "base/status_macros.h"
#include "server/store/keys.h"

namespace rwku::store {

void MemStore::SetCommitHook(CommitHook hook) {
  absl::MutexLock lock(&mu_);
  hook_ = std::move(hook);
}

void MemStore::SetReadHook(ReadHook hook) {
  absl::MutexLock lock(&mu_);
  read_hook_ = std::move(hook);
}

absl::StatusOr<scheduler::PersistentState> MemStore::Load() {
  absl::MutexLock lock(&mu_);
  scheduler::PersistentState state;
  state.runs.reserve(runs_.size());
  for (const auto& [id, run] : runs_) {
    state.runs.push_back(run);
  }
  state.jobs.reserve(jobs_.size());
  for (const auto& [key, job] : jobs_) {
    state.jobs.push_back(job);
  }
  state.revision = revision_;
  return state;
}

absl::Status MemStore::Commit(const std::vector<Batch>& batches) {
  RWKU_RETURN_IF_ERROR(CheckKeys(batches));
  RWKU_RETURN_IF_ERROR(CallHook(batches));
  absl::MutexLock lock(&mu_);
  for (const Batch& batch : batches) {
    for (const scheduler::StateChange& change : batch.changes) {
      std::visit([this](const auto& c) ABSL_NO_THREAD_SAFETY_ANALYSIS { Apply(c); }, change);
    }
    for (const PredictionChunk& chunk : batch.chunks) {
      predictions_[{chunk.job, chunk.fencing_token}][chunk.sequence] = chunk.predictions;
    }
  }
  return absl::OkStatus();
}

absl::Status MemStore::Probe(size_t /*bytes*/) { return CallHook({}); }

absl::Status MemStore::CallHook(const std::vector<Batch>& batches) {
  CommitHook hook;
  {
    absl::MutexLock lock(&mu_);
    hook = hook_;
  }
  return hook ? hook(batches) : absl::OkStatus();
}

absl::Status MemStore::CallReadHook() {
  ReadHook hook;
  {
    absl::MutexLock lock(&mu_);
    hook = read_hook_;
  }
  return hook ? hook() : absl::OkStatus();
}

void MemStore::Apply(const scheduler::PutRun& change) {
  const scheduler::RunRecord& run = change.run;
  runs_[run.id] = run;
  events_[run.id][run.revision] = EventRecord{run.revision, run.id, run, std::nullopt};
  revision_ = std::max(revision_, run.revision);
}

void MemStore::Apply(const scheduler::PutJob& change) {
  const scheduler::JobRecord& job = change.job;
  jobs_[{job.run, job.index}] = job;
  events_[job.run][job.revision] = EventRecord{job.revision, job.run, std::nullopt, job};
  revision_ = std::max(revision_, job.revision);
}

void MemStore::Apply(const scheduler::EraseRun& change) {
  auto it = jobs_.lower_bound({change.run, std::numeric_limits<int>::min()});
  while (it != jobs_.end() && it->first.first == change.run) {
    const JobId id = it->second.id;
    const auto first = predictions_.lower_bound({id, 0});
    auto last = first;
    while (last != predictions_.end() && last->first.first == id) {
      ++last;
    }
    predictions_.erase(first, last);
    it = jobs_.erase(it);
  }
  runs_.erase(change.run);
  events_.erase(change.run);
}

void MemStore::Apply(const scheduler::EraseAttempt& change) {
  predictions_.erase({change.job, change.fencing_token});
}

absl::StatusOr<std::vector<EventRecord>> MemStore::ReadEvents(const RunId& run, uint64_t after,
                                                              size_t limit) {
  absl::MutexLock lock(&mu_);
  std::vector<EventRecord> events;
  const auto of_run = events_.find(run);
  if (of_run != events_.end()) {
    for (auto it = of_run->second.upper_bound(after);
         it != of_run->second.end() && events.size() < limit; ++it) {
      events.push_back(it->second);
    }
  }
  return events;
}

absl::Status MemStore::ReadPredictions(
    const JobId& job, uint64_t fencing_token, size_t first,
    const std::function<bool(size_t position, absl::string_view prediction)>& visit) {
  RWKU_RETURN_IF_ERROR(CallReadHook());
  // A copy, so that `visit` runs without the lock.
  std::vector<std::string> predictions;
  {
    absl::MutexLock lock(&mu_);
    const auto attempt = predictions_.find({job, fencing_token});
    if (attempt != predictions_.end()) {
      int expected = 0;
      for (const auto& [sequence, chunk] : attempt->second) {
        if (sequence != expected++) {
          break;
        }
        predictions.insert(predictions.end(), chunk.begin(), chunk.end());
      }
    }
  }
  for (size_t i = first; i < predictions.size(); ++i) {
    if (!visit(i, predictions[i])) {
      break;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<int> MemStore::CountChunks(const JobId& job, uint64_t fencing_token) {
  RWKU_RETURN_IF_ERROR(CallReadHook());
  absl::MutexLock lock(&mu_);
  int count = 0;
  const auto attempt = predictions_.find({job, fencing_token});
  if (attempt != predictions_.end()) {
    while (attempt->second.contains(count)) {
      ++count;
    }
  }
  return count;
}

absl::Status MemStore::Backup(const std::filesystem::path& /*folder*/) {
  return absl::UnimplementedError("a store in memory has no files to back up");
}

}  // namespace rwku::store
