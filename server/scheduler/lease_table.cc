#include "server/scheduler/lease_table.h"

#include "base/check.h"

namespace rwku::scheduler {

void LeaseTable::Grant(const std::vector<WorkerId>& workers, const Lease& lease,
                       absl::Duration deadline) {
  const auto [entry, inserted] =
      by_job_.emplace(lease.job, Entry{.fencing_token = lease.fencing_token, .deadlines = {}});
  RWKU_CHECK(inserted && !workers.empty());
  for (const WorkerId& worker : workers) {
    RWKU_CHECK(entry->second.deadlines.emplace(worker, deadline).second);
    by_worker_[worker].insert(lease.job);
    by_deadline_.emplace(deadline, lease.job, worker);
  }
}

void LeaseTable::Renew(const WorkerId& worker, const JobId& job, absl::Duration deadline) {
  const auto entry = by_job_.find(job);
  RWKU_CHECK(entry != by_job_.end());
  const auto held = entry->second.deadlines.find(worker);
  RWKU_CHECK(held != entry->second.deadlines.end());
  by_deadline_.erase({held->second, job, worker});
  held->second = deadline;
  by_deadline_.emplace(deadline, job, worker);
}

void LeaseTable::Release(const JobId& job) {
  const auto entry = by_job_.find(job);
  RWKU_CHECK(entry != by_job_.end());
  for (const auto& [worker, deadline] : entry->second.deadlines) {
    by_deadline_.erase({deadline, job, worker});
    const auto of_worker = by_worker_.find(worker);
    of_worker->second.erase(job);
    if (of_worker->second.empty()) {
      by_worker_.erase(of_worker);
    }
  }
  by_job_.erase(entry);
}

bool LeaseTable::Holds(const WorkerId& worker, const Lease& lease) const {
  const auto entry = by_job_.find(lease.job);
  return entry != by_job_.end() && entry->second.fencing_token == lease.fencing_token &&
         entry->second.deadlines.contains(worker);
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

std::vector<LeaseTable::Expiry> LeaseTable::Expired(absl::Duration now) const {
  std::vector<Expiry> expired;
  for (const auto& [deadline, job, worker] : by_deadline_) {
    if (deadline > now) {
      break;
    }
    expired.push_back({job, worker});
  }
  return expired;
}

absl::Duration LeaseTable::NextDeadline() const {
  return by_deadline_.empty() ? absl::InfiniteDuration() : std::get<0>(*by_deadline_.begin());
}

}  // namespace rwku::scheduler
