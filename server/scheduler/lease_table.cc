#include "server/scheduler/lease_table.h"

#include "base/check.h"

namespace rwku::scheduler {

void LeaseTable::Grant(const WorkerId& worker, const Lease& lease, absl::Duration deadline) {
  const bool inserted =
      by_job_.emplace(lease.job, Entry{worker, lease.fencing_token, deadline}).second;
  RWKU_CHECK(inserted);
  by_worker_[worker].insert(lease.job);
  by_deadline_.emplace(deadline, lease.job);
}

void LeaseTable::Renew(const JobId& job, absl::Duration deadline) {
  const auto it = by_job_.find(job);
  RWKU_CHECK(it != by_job_.end());
  by_deadline_.erase({it->second.deadline, job});
  it->second.deadline = deadline;
  by_deadline_.emplace(deadline, job);
}

void LeaseTable::Release(const JobId& job) {
  const auto it = by_job_.find(job);
  RWKU_CHECK(it != by_job_.end());
  by_deadline_.erase({it->second.deadline, job});
  const auto of_worker = by_worker_.find(it->second.worker);
  of_worker->second.erase(job);
  if (of_worker->second.empty()) {
    by_worker_.erase(of_worker);
  }
  by_job_.erase(it);
}

bool LeaseTable::Holds(const WorkerId& worker, const Lease& lease) const {
  const auto it = by_job_.find(lease.job);
  return it != by_job_.end() && it->second.worker == worker &&
         it->second.fencing_token == lease.fencing_token;
}

std::vector<Lease> LeaseTable::LeasesOf(const WorkerId& worker) const {
  std::vector<Lease> leases;
  const auto it = by_worker_.find(worker);
  if (it != by_worker_.end()) {
    leases.reserve(it->second.size());
    for (const JobId& job : it->second) {
      leases.push_back(Lease{job, by_job_.at(job).fencing_token});
    }
  }
  return leases;
}

std::vector<JobId> LeaseTable::Expired(absl::Duration now) const {
  std::vector<JobId> jobs;
  for (const auto& [deadline, job] : by_deadline_) {
    if (deadline > now) {
      break;
    }
    jobs.push_back(job);
  }
  return jobs;
}

absl::Duration LeaseTable::NextDeadline() const {
  return by_deadline_.empty() ? absl::InfiniteDuration() : by_deadline_.begin()->first;
}

}  // namespace rwku::scheduler
