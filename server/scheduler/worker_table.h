// The workers that the scheduler has heard of. Lives in memory only: after a restart they come back
// by themselves.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "server/scheduler/types.h"

namespace rwku::scheduler {

struct Worker {
  std::string incarnation;  // empty: known from a lease of before a restart only
  bool connected = false;
  bool draining = false;
  bool silent = false;   // let a lease expire without a word; gets no job until it is heard again
  int losses = 0;        // attempts lost since the last job it completed
  bool resting = false;  // lost too many; gets no job for a while
  absl::Duration last_heard = -absl::InfiniteDuration();  // monotonic
  std::vector<std::string> resident_models;
  std::string gang_kind;     // only workers of one kind form a gang; empty: it joins none
  std::string gang_address;  // where it meets the others as rank 0
  int completed_jobs = 0;
  int failed_attempts = 0;

  // May get jobs, once it has none.
  bool active() const { return connected && !draining && !silent && !resting; }
};

// Not thread-safe.
class WorkerTable {
 public:
  // Makes an unconnected worker if there is none of that name.
  Worker& GetOrAdd(const WorkerId& id) { return workers_[id]; }
  // Null when unknown; valid until the worker is forgotten.
  Worker* Find(const WorkerId& id);
  const Worker* Find(const WorkerId& id) const;

  // Notes a sign of life of a known worker; ignores an unknown one.
  void Heard(const WorkerId& id, absl::Duration now);

  // A known worker gets no job until `until`; a rest under way is replaced.
  void Rest(const WorkerId& id, absl::Duration until);
  // Ends the rests that are over, and returns whose.
  std::vector<WorkerId> Wake(absl::Duration now);
  // When the next rest ends; infinite if none.
  absl::Duration NextWake() const;

  // Whether some active worker is not in `avoid`.
  bool AnyActiveOutside(const std::vector<WorkerId>& avoid) const;

  // Forgets the disconnected workers that were last heard before `before`, unless `keep` wants
  // them.
  void ForgetSilent(absl::Duration before, const std::function<bool(const WorkerId&)>& keep);

  // By name.
  const std::map<WorkerId, Worker>& all() const { return workers_; }

 private:
  std::map<WorkerId, Worker> workers_;
  std::set<std::pair<absl::Duration, WorkerId>> rests_;  // by their ends
};

}  // namespace rwku::scheduler
