// What workers say: the handlers of their events.
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "server/scheduler/scheduler_impl.h"
#include "server/scheduler/transition.h"

namespace rwku::scheduler {

bool Scheduler::Impl::HadPartInResult(const WorkerId& worker, const Lease& lease) const {
  const JobRecord* job = records_.FindJob(lease.job);
  if (job == nullptr || job->state != JobState::kSucceeded ||
      job->fencing_token != lease.fencing_token) {
    return false;
  }
  const std::vector<WorkerId> holders = HoldersOf(*job);
  return std::find(holders.begin(), holders.end(), worker) != holders.end();
}

bool Scheduler::Impl::IsFinished(const WorkerId& worker, const Lease& lease) const {
  return HadPartInResult(worker, lease) && records_.FindJob(lease.job)->worker == worker;
}

void Scheduler::Impl::RevokeStale(const WorkerId& worker, const Lease& lease) {
  Revoke(worker, lease, CheckLease(worker, lease).message());
}

absl::Status Scheduler::Impl::Handle(const WorkerConnected& event) {
  if (event.worker.empty() || event.incarnation.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("worker \"", event.worker.value(),
                                                   "\" with incarnation \"", event.incarnation,
                                                   "\": both must be set"));
  }
  // Only connections add workers, so it is enough to clean up here.
  workers_.ForgetSilent(now_.monotonic - options_.worker_memory, [&](const WorkerId& id) {
    return id == event.worker || leases_.HasLease(id);
  });
  Worker& worker = workers_.GetOrAdd(event.worker);
  const bool same_process = worker.incarnation == event.incarnation;
  const bool known_process = !worker.incarnation.empty();
  for (const Lease& lease : leases_.LeasesOf(event.worker)) {
    if (std::find(event.leases.begin(), event.leases.end(), lease) != event.leases.end()) {
      leases_.Renew(event.worker, lease.job, LeaseDeadline());
      decision_.kept_leases.push_back(lease);
    } else if (known_process && !same_process) {
      Lose(*records_.FindJob(lease.job), {event.worker}, "its process ended");
    } else {
      // The same process, as far as anybody knows: the Assign got lost with the old stream, or the
      // lease was given back while there was none.
      JobRecord& job = *records_.FindJob(lease.job);
      RevokeOthers(job, {event.worker}, "the gang is broken: a rank came back without its lease");
      Requeue(job);
    }
  }
  for (const Lease& lease : event.leases) {
    if (!leases_.Holds(event.worker, lease)) {
      RevokeStale(event.worker, lease);
    }
  }
  const bool drain_asked = event.drain_asked || (same_process && worker.draining);
  worker.incarnation = event.incarnation;
  worker.connected = true;
  worker.draining = event.draining || drain_asked;
  worker.resident_models = event.resident_models;
  worker.gang_kind = event.gang_address.empty() ? std::string() : event.gang_kind;
  worker.gang_address = event.gang_address;
  if (drain_asked && !event.draining) {
    decision_.commands.emplace_back(Drain{event.worker});
  }
  Heard(event.worker);
  return absl::OkStatus();
}

absl::Status Scheduler::Impl::Handle(const WorkerDisconnected& event) {
  Worker* worker = workers_.Find(event.worker);
  if (worker != nullptr && worker->incarnation == event.incarnation) {
    worker->connected = false;
    UpdateFree(event.worker);
  }
  return absl::OkStatus();
}

absl::Status Scheduler::Impl::Handle(const WorkerHeartbeat& event) {
  Worker* worker = workers_.Find(event.worker);
  if (worker == nullptr || worker->incarnation.empty()) {
    return absl::NotFoundError(
        absl::StrCat("worker \"", event.worker.value(), "\" has not connected"));
  }
  worker->resident_models = event.resident_models;
  for (const Lease& lease : event.leases) {
    if (leases_.Holds(event.worker, lease)) {
      leases_.Renew(event.worker, lease.job, LeaseDeadline());
    } else if (!HadPartInResult(event.worker, lease)) {
      RevokeStale(event.worker, lease);
    }
  }
  Heard(event.worker);
  return absl::OkStatus();
}

absl::Status Scheduler::Impl::Handle(const WorkerDraining& event) {
  Worker* worker = workers_.Find(event.worker);
  if (worker == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("worker \"", event.worker.value(), "\" does not exist"));
  }
  const bool news = !worker->draining;
  worker->draining = true;
  UpdateFree(event.worker);
  for (const Lease& lease : event.released) {
    if (leases_.Holds(event.worker, lease)) {
      JobRecord& job = *records_.FindJob(lease.job);
      RevokeOthers(job, {event.worker}, "the gang is broken: a rank drains");
      Move(job, JobState::kQueued, [](JobRecord& j) { j.lost_attempts = 0; });
    }
  }
  // Without leases it may be an operator's wish, which the worker has to hear of.
  if (news && event.released.empty() && worker->connected) {
    decision_.commands.emplace_back(Drain{event.worker});
  }
  return absl::OkStatus();
}

absl::Status Scheduler::Impl::Handle(const AttemptCompleted& event) {
  Heard(event.worker);
  if (IsFinished(event.worker, event.lease)) {
    if (records_.FindJob(event.lease.job)->result == event.result) {
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(
        absl::StrCat("job \"", event.lease.job.value(), "\" token ", event.lease.fencing_token,
                     " has a different result already: the first one stands"));
  }
  if (absl::Status status = CheckResultLease(event.worker, event.lease); !status.ok()) {
    RevokeStale(event.worker, event.lease);
    return status;
  }
  JobRecord& job = *records_.FindJob(event.lease.job);
  Move(job, JobState::kSucceeded, [&](JobRecord& j) {
    j.result = event.result;
    j.lost_attempts = 0;
  });
  for (const WorkerId& holder : HoldersOf(job)) {
    if (holder != event.worker) {
      decision_.commands.emplace_back(Release{holder, event.lease});
    }
    if (Worker* worker = workers_.Find(holder); worker != nullptr) {
      ++worker->completed_jobs;
      worker->losses = 0;
    }
  }
  return absl::OkStatus();
}

absl::Status Scheduler::Impl::Handle(const AttemptFailed& event) {
  Heard(event.worker);
  if (absl::Status status = CheckLease(event.worker, event.lease); !status.ok()) {
    const JobRecord* job = records_.FindJob(event.lease.job);
    if (job != nullptr && job->last_failure && job->last_failure->worker == event.worker &&
        job->last_failure->fencing_token == event.lease.fencing_token &&
        job->last_failure->failure_class == event.failure_class &&
        absl::StartsWith(job->last_failure->message, event.message)) {
      return absl::OkStatus();  // said before
    }
    RevokeStale(event.worker, event.lease);
    return status;
  }
  FailAttempt(*records_.FindJob(event.lease.job), event);
  if (Worker* worker = workers_.Find(event.worker); worker != nullptr) {
    ++worker->failed_attempts;
  }
  return absl::OkStatus();
}

}  // namespace rwku::scheduler
