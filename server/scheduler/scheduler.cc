#include "server/scheduler/scheduler.h"

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
  const std::vector<const RunEntry*> in_order = impl_->records().InOrder();
  std::vector<const RunRecord*> runs;
  runs.reserve(in_order.size());
  for (auto it = in_order.rbegin(); it != in_order.rend(); ++it) {
    runs.push_back(&(*it)->record);
  }
  return runs;
}

std::vector<const JobRecord*> Scheduler::Jobs(const RunId& run) const {
  std::vector<const JobRecord*> jobs;
  if (const RunEntry* entry = impl_->records().FindRun(run); entry != nullptr) {
    jobs.reserve(entry->jobs.size());
    for (const auto& [index, job] : entry->jobs) {
      jobs.push_back(&job);
    }
  }
  return jobs;
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

}  // namespace rwku::scheduler
