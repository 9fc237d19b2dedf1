#include "server/scheduler/gang.h"

#include <algorithm>

namespace rwku::scheduler {

void GangCandidates::Clear() {
  kinds_.clear();
  counts_.clear();
}

void GangCandidates::Add(const WorkerId& worker, const std::string& kind) {
  if (kinds_.emplace(worker, kind).second) {
    ++counts_[kind];
  }
}

bool GangCandidates::SameKind(const WorkerId& one, const WorkerId& other) const {
  const auto first = kinds_.find(one);
  const auto second = kinds_.find(other);
  return first != kinds_.end() && second != kinds_.end() && first->second == second->second;
}

bool GangCandidates::MayWaitFor(const WorkerId& worker, int ranks,
                                const std::vector<WorkerId>& avoid) const {
  const auto kind = kinds_.find(worker);
  if (kind == kinds_.end() || counts_.at(kind->second) < ranks) {
    return false;
  }
  if (std::find(avoid.begin(), avoid.end(), worker) == avoid.end()) {
    return true;
  }
  const auto avoided = std::count_if(
      avoid.begin(), avoid.end(), [&](const WorkerId& other) { return SameKind(worker, other); });
  return counts_.at(kind->second) - avoided < ranks;
}

}  // namespace rwku::scheduler
