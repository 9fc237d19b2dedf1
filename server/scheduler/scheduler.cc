#include "server/scheduler/scheduler.h"

#include <climits>
#include <utility>

#include "server/scheduler/scheduler_impl.h"

namespace rwku::scheduler {

Scheduler::Scheduler(Options options, PersistentState state, Now now)
    : impl_(std::make_unique<Impl>(options, std::move(state), now)) {}

Scheduler::~Scheduler() = default;

Decision Scheduler::Step(const Event& event, Now now) { return impl_->Step(event, now); }

absl::Duration Scheduler::NextDeadline() const { return impl_->NextDeadline(); }

const RunRecord* Scheduler::FindRun(const RunId& run) const {
  const RunEntry* entry = impl_->records().FindRun(run);
  return entry == nullptr ? nullptr : &entry->record;
}

const JobRecord* Scheduler::FindJob(const JobId& job) const {
  return impl_->records().FindJob(job);
}

const RunRecord* Scheduler::FindRunByRequestId(const std::string& request_id) const {
  const RunEntry* entry = impl_->records().FindByRequestId(request_id);
  return entry == nullptr ? nullptr : &entry->record;
}

std::vector<const RunRecord*> Scheduler::Runs() const {
  std::vector<const RunRecord*> runs;
  VisitRuns(0, [&runs](const RunRecord& run) {
    runs.push_back(&run);
    return true;
  });
  return runs;
}

std::vector<const JobRecord*> Scheduler::Jobs(const RunId& run) const {
  std::vector<const JobRecord*> jobs;
  VisitJobs(run, 0, [&jobs](const JobRecord& job) {
    jobs.push_back(&job);
    return true;
  });
  return jobs;
}

void Scheduler::VisitRuns(uint64_t before,
                          const std::function<bool(const RunRecord&)>& visit) const {
  impl_->records().VisitBefore(before,
                               [&visit](const RunEntry& entry) { return visit(entry.record); });
}

void Scheduler::VisitJobs(const RunId& run, uint64_t first,
                          const std::function<bool(const JobRecord&)>& visit) const {
  const RunEntry* entry = impl_->records().FindRun(run);
  if (entry == nullptr || first > INT_MAX) {
    return;
  }
  for (auto it = entry->jobs.lower_bound(static_cast<int>(first)); it != entry->jobs.end(); ++it) {
    if (!visit(it->second)) {
      return;
    }
  }
}

JobCounts Scheduler::CountJobs(const RunId& run) const {
  const RunEntry* entry = impl_->records().FindRun(run);
  return entry == nullptr ? JobCounts() : entry->counts;
}

std::vector<WorkerView> Scheduler::Workers() const {
  std::vector<WorkerView> views;
  views.reserve(impl_->workers().all().size());
  for (const auto& [id, worker] : impl_->workers().all()) {
    views.push_back(impl_->View(id, worker));
  }
  return views;
}

uint64_t Scheduler::revision() const { return impl_->revision(); }

absl::Status Scheduler::CheckLease(const WorkerId& worker, const Lease& lease) const {
  return impl_->CheckLease(worker, lease);
}

absl::Status Scheduler::CheckResultLease(const WorkerId& worker, const Lease& lease) const {
  return impl_->CheckResultLease(worker, lease);
}

}  // namespace rwku::scheduler
