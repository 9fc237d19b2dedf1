#include "server/scheduler/records.h"

#include "base/check.h"
#include "server/scheduler/transition.h"

namespace rwku::scheduler {

RunEntry& Records::Add(RunRecord run, std::vector<JobRecord>&& jobs) {
  const RunId id = run.id;
  const auto [it, inserted] = runs_.try_emplace(id);
  RWKU_CHECK(inserted);
  RunEntry& entry = it->second;
  entry.record = std::move(run);
  order_.emplace(OrderOf(entry.record), &entry);
  if (!entry.record.request_id.empty()) {
    by_request_id_[entry.record.request_id] = &entry;
  }
  for (JobRecord& job : jobs) {
    const int index = job.index;
    const auto [position, fresh] = entry.jobs.try_emplace(index, std::move(job));
    RWKU_CHECK(fresh);
    JobRecord& added = position->second;
    RWKU_CHECK(jobs_.emplace(added.id, &added).second);
    ++entry.counts[added.state];
  }
  return entry;
}

void Records::ForgetRun(const RunId& run) {
  const auto it = runs_.find(run);
  RWKU_CHECK(it != runs_.end());
  RunEntry& entry = it->second;
  for (const auto& [index, job] : entry.jobs) {
    jobs_.erase(job.id);
  }
  const auto request = by_request_id_.find(entry.record.request_id);
  if (request != by_request_id_.end() && request->second == &entry) {
    by_request_id_.erase(request);
  }
  order_.erase(OrderOf(entry.record));
  changed_.erase(OrderOf(entry.record));
  erased_runs_.push_back(run);
  runs_.erase(it);
}

RunEntry* Records::FindRun(const RunId& run) {
  const auto it = runs_.find(run);
  return it == runs_.end() ? nullptr : &it->second;
}

const RunEntry* Records::FindRun(const RunId& run) const {
  const auto it = runs_.find(run);
  return it == runs_.end() ? nullptr : &it->second;
}

JobRecord* Records::FindJob(const JobId& job) {
  const auto it = jobs_.find(job);
  return it == jobs_.end() ? nullptr : it->second;
}

const JobRecord* Records::FindJob(const JobId& job) const {
  const auto it = jobs_.find(job);
  return it == jobs_.end() ? nullptr : it->second;
}

const RunEntry* Records::FindByRequestId(const std::string& request_id) const {
  const auto it = by_request_id_.find(request_id);
  return it == by_request_id_.end() ? nullptr : it->second;
}

void Records::VisitBefore(uint64_t sequence,
                          const std::function<bool(const RunEntry&)>& visit) const {
  auto it = sequence == 0 ? order_.end() : order_.lower_bound({sequence, RunId()});
  while (it != order_.begin()) {
    --it;
    if (!visit(*it->second)) {
      return;
    }
  }
}

void Records::ChangeState(JobRecord& job, JobState to) {
  RunEntry& run = runs_.at(job.run);
  --run.counts[job.state];
  Transition(job, to);
  ++run.counts[job.state];
  MarkChanged(job);
}

void Records::MarkChanged(const JobRecord& job) {
  changed_[OrderOf(runs_.at(job.run).record)].insert(job.index);
}

void Records::MarkChanged(const RunEntry& run) { changed_.try_emplace(OrderOf(run.record)); }

void Records::DropChunks(const JobId& job, uint64_t fencing_token) {
  erased_attempts_.push_back(EraseAttempt{job, fencing_token});
}

void Records::DeriveRunStates(absl::Time now) {
  for (const auto& [order, indexes] : changed_) {
    RunEntry& run = runs_.at(order.second);
    if (run.counts[JobState::kQueued] + run.counts[JobState::kLeased] > 0) {
      if (run.record.state == RunState::kFailed) {
        run.record.state = RunState::kRunning;
        run.record.end_time.reset();
      }
    } else if (run.record.state == RunState::kRunning) {
      run.record.state = run.counts[JobState::kFailed] > 0      ? RunState::kFailed
                         : run.counts[JobState::kCancelled] > 0 ? RunState::kCancelled
                                                                : RunState::kSucceeded;
      run.record.end_time = now;
    }
  }
}

std::vector<StateChange> Records::Flush(uint64_t& revision) {
  std::vector<StateChange> changes;
  for (RunId& run : erased_runs_) {
    changes.emplace_back(EraseRun{std::move(run)});
  }
  for (EraseAttempt& attempt : erased_attempts_) {
    changes.emplace_back(std::move(attempt));
  }
  for (const auto& [order, indexes] : changed_) {
    RunEntry& run = runs_.at(order.second);
    for (const int index : indexes) {
      JobRecord& job = run.jobs.at(index);
      job.revision = ++revision;
      changes.emplace_back(PutJob{job});
    }
    run.record.revision = ++revision;
    changes.emplace_back(PutRun{run.record});
  }
  erased_runs_.clear();
  erased_attempts_.clear();
  changed_.clear();
  return changes;
}

}  // namespace rwku::scheduler
