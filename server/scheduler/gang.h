// The workers that gangs can be made of.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "server/scheduler/types.h"

namespace rwku::scheduler {

// Not thread-safe.
class GangCandidates {
 public:
  void Clear();
  // A worker that may join gangs of its kind, free or at work.
  void Add(const WorkerId& worker, const std::string& kind);

  bool SameKind(const WorkerId& one, const WorkerId& other) const;
  // Whether `worker` may be one of `ranks` for a job that avoids the workers in `avoid`: there are
  // enough of its kind, and it is not avoided unless the gang needs one that is.
  bool MayWaitFor(const WorkerId& worker, int ranks, const std::vector<WorkerId>& avoid) const;

 private:
  std::map<WorkerId, std::string> kinds_;
  std::map<std::string, int> counts_;  // of workers, by kind
};

}  // namespace rwku::scheduler
