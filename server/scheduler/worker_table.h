// The workers that the scheduler has heard of. Lives in memory only: after a restart they come back
// by themselves.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "server/scheduler/types.h"

namespace rwku::scheduler {

struct Worker {
  std::string incarnation;  // empty: known from a lease of before a restart only
  bool connected = false;
  bool draining = false;
  bool silent = false;  // let a lease expire without a word; gets no job until it is heard again
  absl::Duration last_heard = -absl::InfiniteDuration();  // monotonic
  std::vector<std::string> resident_models;
  int completed_jobs = 0;
  int failed_attempts = 0;

  // May get jobs, once it has none.
  bool active() const { return connected && !draining && !silent; }
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

  // Whether some active worker is not in `avoid`.
  bool AnyActiveOutside(const std::vector<WorkerId>& avoid) const;

  // Forgets the disconnected workers that were last heard before `before`, unless `keep` wants
  // them.
  void ForgetSilent(absl::Duration before, const std::function<bool(const WorkerId&)>& keep);

  // By name.
  const std::map<WorkerId, Worker>& all() const { return workers_; }

 private:
  std::map<WorkerId, Worker> workers_;
};

}  // namespace rwku::scheduler
