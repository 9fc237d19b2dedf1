// The live leases: who holds which job, under which token, until when. Knows nothing of job states.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "server/scheduler/types.h"

namespace rwku::scheduler {

// Not thread-safe. Times are monotonic.
class LeaseTable {
 public:
  // `lease.job` must have no live lease.
  void Grant(const WorkerId& worker, const Lease& lease, absl::Duration deadline);
  // `job` must have a live lease.
  void Renew(const JobId& job, absl::Duration deadline);
  // Ends the lease of `job`, which must have one.
  void Release(const JobId& job);

  bool Holds(const WorkerId& worker, const Lease& lease) const;
  bool HasLease(const WorkerId& worker) const { return by_worker_.contains(worker); }
  // In the order of the job ids.
  std::vector<Lease> LeasesOf(const WorkerId& worker) const;
  // Jobs whose deadline is at or before `now`, earliest first.
  std::vector<JobId> Expired(absl::Duration now) const;
  // Infinite if there is no lease.
  absl::Duration NextDeadline() const;

 private:
  struct Entry {
    WorkerId worker;
    uint64_t fencing_token = 0;
    absl::Duration deadline;
  };
  std::map<JobId, Entry> by_job_;
  std::map<WorkerId, std::set<JobId>> by_worker_;
  std::set<std::pair<absl::Duration, JobId>> by_deadline_;
};

}  // namespace rwku::scheduler
