#include "server/scheduler/worker_table.h"

#include <algorithm>

namespace rwku::scheduler {

Worker* WorkerTable::Find(const WorkerId& id) {
  const auto it = workers_.find(id);
  return it == workers_.end() ? nullptr : &it->second;
}

const Worker* WorkerTable::Find(const WorkerId& id) const {
  const auto it = workers_.find(id);
  return it == workers_.end() ? nullptr : &it->second;
}

void WorkerTable::Heard(const WorkerId& id, absl::Duration now) {
  if (Worker* worker = Find(id); worker != nullptr) {
    worker->last_heard = now;
    worker->silent = false;
  }
}

void WorkerTable::Rest(const WorkerId& id, absl::Duration until) {
  workers_.at(id).resting = true;
  std::erase_if(rests_, [&](const auto& rest) { return rest.second == id; });
  rests_.emplace(until, id);
}

std::vector<WorkerId> WorkerTable::Wake(absl::Duration now) {
  std::vector<WorkerId> woken;
  while (NextWake() <= now) {
    woken.push_back(rests_.begin()->second);
    rests_.erase(rests_.begin());
    if (Worker* worker = Find(woken.back()); worker != nullptr) {
      worker->resting = false;
    }
  }
  return woken;
}

absl::Duration WorkerTable::NextWake() const {
  return rests_.empty() ? absl::InfiniteDuration() : rests_.begin()->first;
}

void WorkerTable::ForgetSilent(absl::Duration before,
                               const std::function<bool(const WorkerId&)>& keep) {
  std::erase_if(workers_, [&](const auto& entry) {
    return !entry.second.connected && entry.second.last_heard < before && !keep(entry.first);
  });
}

bool WorkerTable::AnyActiveOutside(const std::vector<WorkerId>& avoid) const {
  // Ends early in practice: avoid lists are shorter than the number of workers.
  return std::any_of(workers_.begin(), workers_.end(), [&avoid](const auto& entry) {
    return entry.second.active() &&
           std::find(avoid.begin(), avoid.end(), entry.first) == avoid.end();
  });
}

}  // namespace rwku::scheduler
