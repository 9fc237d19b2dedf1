#include "server/scheduler/ready_queue.h"

#include <algorithm>

#include "base/check.h"

namespace rwku::scheduler {
namespace {

std::vector<WorkerId> Sorted(std::vector<WorkerId> workers) {
  std::sort(workers.begin(), workers.end());
  return workers;
}

}  // namespace

void ReadyQueue::Deadlines::Add(const JobRef& job, absl::Duration time) {
  by_time_.emplace(time, job);
  by_job_.emplace(job, time);
}

bool ReadyQueue::Deadlines::Remove(const JobRef& job) {
  const auto found = by_job_.find(job);
  if (found == by_job_.end()) {
    return false;
  }
  by_time_.erase({found->second, job});
  by_job_.erase(found);
  return true;
}

std::optional<JobRef> ReadyQueue::Deadlines::Pop(absl::Duration now) {
  if (Next() > now) {
    return std::nullopt;
  }
  JobRef job = by_time_.begin()->second;
  Remove(job);
  return job;
}

absl::Duration ReadyQueue::Deadlines::Next() const {
  return by_time_.empty() ? absl::InfiniteDuration() : by_time_.begin()->first;
}

ReadyQueue::Key ReadyQueue::KeyOf(const RunId& id, const Run& run) {
  return {-static_cast<int64_t>(run.priority), run.live_leases, run.last_turn, run.sequence, id};
}

void ReadyQueue::AddRun(const RunRecord& run) {
  Run entry;
  entry.priority = run.priority;
  entry.ranks = run.ranks;
  gang_runs_ += run.ranks > 1 ? 1 : 0;
  entry.sequence = run.sequence;
  entry.last_turn = turns_;
  const bool inserted = runs_.emplace(run.id, std::move(entry)).second;
  RWKU_CHECK(inserted);
}

void ReadyQueue::RemoveRun(const RunId& run) {
  const auto it = runs_.find(run);
  RWKU_CHECK(it != runs_.end() && it->second.ready.empty() && it->second.live_leases == 0);
  gang_runs_ -= it->second.ranks > 1 ? 1 : 0;
  runs_.erase(it);
}

void ReadyQueue::Add(const JobRecord& job, absl::Duration ready_at, absl::Duration now) {
  if (ready_at > now) {
    delayed_.Add(JobRef{job.run, job.index}, ready_at);
  } else {
    InsertReady(job, now);
  }
}

void ReadyQueue::InsertReady(const JobRecord& job, absl::Duration now) {
  if (!job.avoid.empty()) {
    avoiding_.Add(JobRef{job.run, job.index}, now + avoidance_);
  }
  Insert(job, Sorted(job.avoid));
}

void ReadyQueue::Insert(const JobRecord& job, const std::vector<WorkerId>& avoid) {
  Run& run = runs_.at(job.run);
  if (run.ready.empty()) {
    order_.insert(KeyOf(job.run, run));
  }
  run.ready[avoid][job.model].insert(job.index);
}

void ReadyQueue::Remove(const JobRecord& job) {
  const JobRef ref{job.run, job.index};
  if (!delayed_.Remove(ref)) {
    // One that has waited long enough is among those that avoid nobody.
    Erase(job, avoiding_.Remove(ref) ? Sorted(job.avoid) : std::vector<WorkerId>());
  }
}

void ReadyQueue::Erase(const JobRecord& job, const std::vector<WorkerId>& avoid) {
  Run& run = runs_.at(job.run);
  const auto group = run.ready.find(avoid);
  RWKU_CHECK(group != run.ready.end());
  const auto of_model = group->second.find(job.model);
  RWKU_CHECK(of_model != group->second.end() && of_model->second.erase(job.index) == 1);
  if (of_model->second.empty()) {
    group->second.erase(of_model);
  }
  if (group->second.empty()) {
    run.ready.erase(group);
  }
  if (run.ready.empty()) {
    order_.erase(KeyOf(job.run, run));
  }
}

void ReadyQueue::CountLeases(const RunId& run, int delta) {
  Run& entry = runs_.at(run);
  const bool ordered = order_.erase(KeyOf(run, entry)) == 1;
  entry.live_leases += delta;
  if (delta > 0) {
    entry.last_turn = ++turns_;
    entry.passed_over = 0;
  }
  RWKU_CHECK(entry.live_leases >= 0);
  if (ordered) {
    order_.insert(KeyOf(run, entry));
  }
}

void ReadyQueue::Release(absl::Duration now,
                         const std::function<const JobRecord&(const JobRef&)>& find) {
  while (const std::optional<JobRef> ref = delayed_.Pop(now)) {
    InsertReady(find(*ref), now);
  }
  while (const std::optional<JobRef> ref = avoiding_.Pop(now)) {
    const JobRecord& job = find(*ref);
    Erase(job, Sorted(job.avoid));
    Insert(job, {});
  }
}

absl::Duration ReadyQueue::NextRelease() const {
  return std::min(delayed_.Next(), avoiding_.Next());
}

std::optional<ReadyQueue::Pick> ReadyQueue::PickIn(const RunId& id,
                                                   const std::vector<std::string>& resident_models,
                                                   const MayTake& may_take) const {
  std::optional<Pick> best;
  bool best_is_held = false;
  const Run& run = runs_.at(id);
  for (const auto& [avoid, by_model] : run.ready) {
    if (!may_take(run.ranks, avoid)) {
      continue;
    }
    for (const auto& [model, indexes] : by_model) {
      const bool held =
          std::find(resident_models.begin(), resident_models.end(), model) != resident_models.end();
      const int index = *indexes.begin();
      if (!best || std::pair(!held, index) < std::pair(!best_is_held, best->job.index)) {
        // A gang's turn comes in the order of the runs alone: its workers wait for one another.
        best = Pick{JobRef{id, index}, run.ranks, avoid, held && run.ranks == 1, std::nullopt};
        best_is_held = held;
      }
    }
  }
  return best;
}

std::optional<ReadyQueue::Pick> ReadyQueue::PickFor(const std::vector<std::string>& resident_models,
                                                    const MayTake& may_take) const {
  std::optional<Pick> first;
  std::pair<int64_t, int> rank;  // (-priority, live leases) of the first
  for (const Key& key : order_) {
    if (first && rank != std::pair(std::get<0>(key), std::get<1>(key))) {
      break;
    }
    std::optional<Pick> pick = PickIn(std::get<RunId>(key), resident_models, may_take);
    if (!pick) {
      continue;
    }
    if (!first) {
      if (pick->resident || resident_models.empty() ||
          runs_.at(pick->job.run).passed_over >= kMaxPassedOver) {
        return pick;
      }
      first = std::move(pick);
      rank = {std::get<0>(key), std::get<1>(key)};
    } else if (pick->resident) {
      pick->passed_over = first->job.run;
      return pick;
    }
  }
  return first;
}

}  // namespace rwku::scheduler
