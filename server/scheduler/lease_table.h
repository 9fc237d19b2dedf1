// The live leases: who holds which job, under which token, until when. Knows nothing of job states.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "absl/time/time.h"

#include "server/scheduler/types.h"

namespace rwku::scheduler {

// Not thread-safe. Times are monotonic.
class LeaseTable {
 public:
  // One worker's share of a lease that has run out.
  struct Expiry {
    JobId job;
    WorkerId worker;
  };

  // `lease.job` must have no live lease; `workers`, all different, hold it together.
  void Grant(const std::vector<WorkerId>& workers, const Lease& lease, absl::Duration deadline);
  // `worker` must hold a live lease of `job`.
  void Renew(const WorkerId& worker, const JobId& job, absl::Duration deadline);
  // Ends the lease of `job`, which must have one, for all who hold it.
  void Release(const JobId& job);

  bool Holds(const WorkerId& worker, const Lease& lease) const;
  bool HasLease(const WorkerId& worker) const { return by_worker_.contains(worker); }
  // In the order of the job ids.
  std::vector<Lease> LeasesOf(const WorkerId& worker) const;
  // Deadlines at or before `now`, earliest first.
  std::vector<Expiry> Expired(absl::Duration now) const;
  // Infinite if there is no lease.
  absl::Duration NextDeadline() const;

 private:
  struct Entry {
    uint64_t fencing_token = 0;
    std::map<WorkerId, absl::Duration> deadlines;
  };
  std::map<JobId, Entry> by_job_;
  std::map<WorkerId, std::set<JobId>> by_worker_;
  std::set<std::tuple<absl::Duration, JobId, WorkerId>> by_deadline_;
};

}  // namespace rwku::scheduler
