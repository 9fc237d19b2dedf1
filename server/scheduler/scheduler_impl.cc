#include "server/scheduler/scheduler_impl.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "server/scheduler/transition.h"

namespace rwku::scheduler {
namespace {

bool Contains(const std::vector<WorkerId>& workers, const WorkerId& worker) {
  return std::find(workers.begin(), workers.end(), worker) != workers.end();
}

std::vector<WorkerId> With(std::vector<WorkerId> workers, const WorkerId& worker) {
  if (!Contains(workers, worker)) {
    workers.push_back(worker);
  }
  return workers;
}

}  // namespace

Scheduler::Impl::Impl(Options options, PersistentState state, Now now)
    : options_(options), now_(now), revision_(state.revision) {
  std::map<RunId, std::vector<JobRecord>> jobs;
  for (JobRecord& job : state.jobs) {
    jobs[job.run].push_back(std::move(job));
  }
  for (RunRecord& run : state.runs) {
    const RunId id = run.id;
    RunEntry& entry = records_.Add(std::move(run), std::move(jobs[id]));
    jobs.erase(id);
    queue_.AddRun(entry.record);
    for (const auto& [index, job] : entry.jobs) {
      if (job.state == JobState::kQueued) {
        queue_.Add(job, ReadyAt(job), now_.monotonic);
      } else if (job.state == JobState::kLeased) {
        const std::vector<WorkerId> holders = HoldersOf(job);
        for (const WorkerId& holder : holders) {
          workers_.GetOrAdd(holder);
        }
        leases_.Grant(holders, Lease{job.id, job.fencing_token}, LeaseDeadline());
        queue_.CountLeases(job.run, static_cast<int>(holders.size()));
      }
    }
  }
  RWKU_CHECK(jobs.empty());  // a job without its run: the store checks that
}

Decision Scheduler::Impl::Step(const Event& event, Now now) {
  now_ = now;
  decision_ = Decision();
  decision_.verdict = std::visit([this](const auto& e) { return Handle(e); }, event);
  // After the event: a heartbeat or result that is late, but not too late, still counts.
  ExpireLeases();
  for (const WorkerId& id : workers_.Wake(now_.monotonic)) {
    UpdateFree(id);
  }
  queue_.Release(now_.monotonic,
                 [this](const JobRef& ref) -> const JobRecord& { return records_.Get(ref); });
  AssignJobs();
  records_.DeriveRunStates(now_.wall);
  decision_.changes = records_.Flush(revision_);
  return std::move(decision_);
}

absl::Duration Scheduler::Impl::NextDeadline() const {
  return std::min({leases_.NextDeadline(), queue_.NextRelease(), workers_.NextWake()});
}

WorkerView Scheduler::Impl::View(const WorkerId& id, const Worker& worker) const {
  WorkerView view;
  view.id = id;
  view.incarnation = worker.incarnation;
  view.connected = worker.connected;
  view.draining = worker.draining;
  view.resident_models = worker.resident_models;
  view.leases = leases_.LeasesOf(id);
  view.completed_jobs = worker.completed_jobs;
  view.failed_attempts = worker.failed_attempts;
  return view;
}

absl::Status Scheduler::Impl::CheckLease(const WorkerId& worker, const Lease& lease) const {
  if (leases_.Holds(worker, lease)) {
    return absl::OkStatus();
  }
  const std::string prefix =
      absl::StrCat("stale lease: job \"", lease.job.value(), "\" token ", lease.fencing_token,
                   " of worker \"", worker.value(), "\"");
  const JobRecord* job = records_.FindJob(lease.job);
  if (job == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(prefix, ": there is no such job"));
  }
  return absl::FailedPreconditionError(
      absl::StrCat(prefix, ": the job is ", std::string(Name(job->state)), ", its newest token is ",
                   job->fencing_token,
                   job->worker.empty() ? std::string()
                                       : absl::StrCat(" of worker \"", job->worker.value(), "\"")));
}

absl::Status Scheduler::Impl::CheckResultLease(const WorkerId& worker, const Lease& lease) const {
  if (absl::Status status = CheckLease(worker, lease); !status.ok()) {
    return status;
  }
  const JobRecord& job = *records_.FindJob(lease.job);
  if (job.worker != worker) {
    return absl::FailedPreconditionError(
        absl::StrCat("job \"", lease.job.value(), "\" token ", lease.fencing_token,
                     ": the result of its gang comes from worker \"", job.worker.value(),
                     "\", not from \"", worker.value(), "\""));
  }
  return absl::OkStatus();
}

// --- Moves of a job. ---

absl::Duration Scheduler::Impl::ReadyAt(const JobRecord& job) const {
  if (!job.not_before) {
    return now_.monotonic;
  }
  // The wall clock may have jumped: never wait for longer than the longest back-off.
  return now_.monotonic +
         std::clamp(*job.not_before - now_.wall, absl::ZeroDuration(), options_.backoff_limit);
}

void Scheduler::Impl::Grant(JobRecord& job, const std::vector<WorkerId>& workers) {
  const bool gang = workers.size() > 1;
  Move(job, JobState::kLeased, [&](JobRecord& j) {
    j.worker = workers.front();
    j.gang = gang ? workers : std::vector<WorkerId>();
    ++j.fencing_token;
    ++j.attempts;
    j.not_before.reset();
    j.start_time = now_.wall;
    j.end_time.reset();
  });
  Assign assign;
  assign.lease = Lease{job.id, job.fencing_token};
  assign.world_size = static_cast<int>(workers.size());
  if (gang) {
    assign.rendezvous = workers_.Find(workers.front())->gang_address;
  }
  for (const WorkerId& worker : workers) {
    assign.worker = worker;
    decision_.commands.emplace_back(assign);
    ++assign.rank;
  }
}

void Scheduler::Impl::Revoke(const WorkerId& worker, const Lease& lease, absl::string_view reason) {
  decision_.commands.emplace_back(scheduler::Revoke{worker, lease, std::string(reason)});
}

void Scheduler::Impl::RevokeOthers(const JobRecord& job, const std::vector<WorkerId>& but,
                                   absl::string_view reason) {
  for (const WorkerId& worker : job.gang) {
    const Worker* known = workers_.Find(worker);
    if (!Contains(but, worker) && known != nullptr && known->connected) {
      Revoke(worker, Lease{job.id, job.fencing_token}, reason);
    }
  }
}

void Scheduler::Impl::Requeue(JobRecord& job) {
  Move(job, JobState::kQueued, [](JobRecord&) {});
}

void Scheduler::Impl::Lose(JobRecord& job, const std::vector<WorkerId>& lost,
                           absl::string_view how) {
  Failure failure;
  failure.failure_class = FailureClass::kInfrastructure;
  failure.worker = lost.front();
  failure.fencing_token = job.fencing_token;
  failure.message =
      absl::StrCat("worker \"", lost.front().value(), "\" was lost: ", std::string(how));
  RevokeOthers(job, lost, absl::StrCat("the gang is broken: ", failure.message));
  const int lost_attempts = job.lost_attempts + 1;
  std::vector<WorkerId> avoid = job.avoid;
  for (const WorkerId& worker : lost) {
    avoid = With(std::move(avoid), worker);
  }
  // Another worker that is there may be of no use to a gang: of another kind, or one that joins
  // none.
  const bool parked = IsParked(lost_attempts, avoid) ||
                      (!job.gang.empty() && lost_attempts >= options_.max_broken_gangs);
  if (parked) {
    absl::StrAppend(&failure.message, "; parked after ", lost_attempts,
                    " attempts in a row that ended so: the job may be what ends its workers");
  }
  Move(job, parked ? JobState::kFailed : JobState::kQueued, [&](JobRecord& j) {
    j.lost_attempts = lost_attempts;
    j.last_failure = std::move(failure);
    j.avoid = std::move(avoid);
    if (!parked) {
      j.not_before = now_.wall + Backoff(options_.loss_backoff_base, lost_attempts);
    }
  });
  for (const WorkerId& id : lost) {
    Worker& worker = workers_.GetOrAdd(id);
    if (++worker.losses >= options_.max_worker_losses) {
      const int rests = worker.losses - options_.max_worker_losses + 1;
      workers_.Rest(id, now_.monotonic + Backoff(options_.backoff_base, rests));
      UpdateFree(id);
    }
  }
}

bool Scheduler::Impl::IsParked(int lost, const std::vector<WorkerId>& avoid) const {
  if (lost < options_.max_lost_attempts) {
    return false;
  }
  // A few workers that lose whatever they get say nothing about the job while another is there.
  const bool another =
      std::any_of(workers_.all().begin(), workers_.all().end(), [&](const auto& entry) {
        const auto& [id, worker] = entry;
        const bool there = (worker.connected && !worker.silent) || leases_.HasLease(id);
        return there && !worker.draining && !Contains(avoid, id);
      });
  return !another || avoid.size() >= static_cast<size_t>(options_.max_lost_attempts);
}

absl::Duration Scheduler::Impl::Backoff(absl::Duration base, int failures) const {
  absl::Duration backoff = base;
  for (int i = 1; i < failures && backoff < options_.backoff_limit; ++i) {
    backoff *= 2;
  }
  return std::min(backoff, options_.backoff_limit);
}

void Scheduler::Impl::FailAttempt(JobRecord& job, const AttemptFailed& event) {
  const RunRecord& run = records_.FindRun(job.run)->record;
  JobState to = JobState::kQueued;
  absl::Duration backoff = absl::ZeroDuration();
  int failures = job.failures;
  int lost_attempts = 0;
  std::string message = event.message;
  int resource_failures = job.resource_failures;
  // A smaller micro-batch fits wherever the job ran out of memory, and may fit nowhere else. The
  // rank of a gang that is the first to tell is not always the one that failed.
  const bool gang = !job.gang.empty();
  std::vector<WorkerId> avoid = event.failure_class == FailureClass::kResource || gang
                                    ? job.avoid
                                    : With(job.avoid, event.worker);
  RevokeOthers(job, {event.worker},
               absl::StrCat("the gang is broken: worker \"", event.worker.value(),
                            "\" failed: ", event.message));
  switch (event.failure_class) {
    case FailureClass::kInfrastructure:
      // Not the job's fault, so it is not counted as one; but what never ends well must end.
      lost_attempts = job.lost_attempts + 1;
      if (gang ? lost_attempts >= options_.max_broken_gangs : IsParked(lost_attempts, avoid)) {
        to = JobState::kFailed;
        absl::StrAppend(&message, "; parked after ", lost_attempts,
                        " attempts in a row that ended without the job's own fault");
      } else {
        backoff = Backoff(options_.backoff_base, lost_attempts);
      }
      break;
    case FailureClass::kResource:
      if (resource_failures >= options_.max_resource_failures) {
        to = JobState::kFailed;
      } else {
        ++resource_failures;
      }
      break;
    case FailureClass::kNumeric:
    case FailureClass::kInput:
      ++failures;
      to = JobState::kFailed;
      break;
    case FailureClass::kInternal:
      ++failures;
      if (failures >= run.max_failures) {
        to = JobState::kFailed;
      } else {
        backoff = Backoff(options_.backoff_base, failures);
      }
      break;
  }
  Move(job, to, [&](JobRecord& j) {
    j.failures = failures;
    j.resource_failures = resource_failures;
    j.lost_attempts = lost_attempts;
    j.last_failure =
        Failure{event.failure_class, std::move(message), event.worker, event.lease.fencing_token};
    j.avoid = std::move(avoid);
    if (to == JobState::kQueued && backoff > absl::ZeroDuration()) {
      j.not_before = now_.wall + backoff;
    }
  });
}

void Scheduler::Impl::ExpireLeases() {
  std::map<JobId, std::vector<WorkerId>> expired;  // by when the first of a job's holders was due
  std::vector<JobId> order;
  for (LeaseTable::Expiry& expiry : leases_.Expired(now_.monotonic)) {
    std::vector<WorkerId>& workers = expired[expiry.job];
    if (workers.empty()) {
      order.push_back(expiry.job);
    }
    workers.push_back(std::move(expiry.worker));
  }
  for (const JobId& id : order) {
    JobRecord& job = *records_.FindJob(id);
    const std::vector<WorkerId>& late = expired.at(id);
    std::vector<WorkerId> lost;
    for (const WorkerId& holder : late) {
      Worker& worker = workers_.GetOrAdd(holder);
      if (worker.connected) {
        Revoke(holder, Lease{id, job.fencing_token}, "the lease expired");
      }
      // A worker that is well but never listed the lease did not get it: nothing was lost with it.
      if (!worker.connected || worker.last_heard + options_.lease_duration <= now_.monotonic) {
        worker.silent = true;
        lost.push_back(holder);
      }
    }
    if (lost.empty()) {
      RevokeOthers(job, late, "the gang is broken: a rank never took its lease");
      Requeue(job);
    } else {
      Lose(job, lost, "its lease expired without a heartbeat");
    }
    for (const WorkerId& holder : late) {
      UpdateFree(holder);
    }
  }
}

// --- Who gets what. ---

bool Scheduler::Impl::MayJoinGang(const Worker& worker) const {
  return worker.active() && !worker.gang_kind.empty() &&
         worker.last_heard + options_.lease_duration > now_.monotonic;
}

bool Scheduler::Impl::MayTake(const WorkerId& worker, int ranks,
                              const std::vector<WorkerId>& avoid) const {
  if (ranks > 1) {
    return candidates_.MayWaitFor(worker, ranks, avoid);
  }
  return !Contains(avoid, worker) || !workers_.AnyActiveOutside(avoid);
}

void Scheduler::Impl::AssignJobs() {
  if (queue_.empty() || free_.empty()) {
    return;
  }
  candidates_.Clear();
  if (queue_.has_gangs()) {
    for (const auto& [id, worker] : workers_.all()) {
      if (MayJoinGang(worker)) {
        candidates_.Add(id, worker.gang_kind);
      }
    }
  }
  // Workers that hold a wanted model choose before those that would have to load it.
  AssignRound(/*resident_only=*/true);
  AssignRound(/*resident_only=*/false);
}

void Scheduler::Impl::AssignRound(bool resident_only) {
  const std::set<WorkerId> candidates = queue_.empty() ? std::set<WorkerId>() : free_;
  for (const WorkerId& id : candidates) {
    if (queue_.empty()) {
      return;
    }
    if (!free_.contains(id)) {
      continue;  // it joined a gang in this round
    }
    const auto pick = queue_.PickFor(
        workers_.Find(id)->resident_models,
        [&](int ranks, const std::vector<WorkerId>& avoid) { return MayTake(id, ranks, avoid); });
    if (!pick || (resident_only && !pick->resident)) {
      continue;
    }
    JobRecord& job = *records_.FindJob(records_.Get(pick->job).id);
    if (pick->ranks > 1) {
      // A worker whose turn it is for a gang that cannot be formed yet waits for the others, so
      // that no stream of jobs for one worker starves it.
      FormGang(job, *pick, id);
      continue;
    }
    if (pick->passed_over) {
      queue_.PassOver(*pick->passed_over);
    }
    Grant(job, {id});
  }
}

void Scheduler::Impl::FormGang(JobRecord& job, const ReadyQueue::Pick& pick,
                               const WorkerId& worker) {
  const auto ranks = static_cast<size_t>(pick.ranks);
  std::vector<WorkerId> members;
  std::vector<WorkerId> others;  // that would have to load the model
  for (const WorkerId& id : free_) {
    if (!candidates_.SameKind(id, worker) || !candidates_.MayWaitFor(id, pick.ranks, pick.avoid)) {
      continue;
    }
    const std::vector<std::string>& resident = workers_.Find(id)->resident_models;
    const bool holds = std::find(resident.begin(), resident.end(), job.model) != resident.end();
    (holds ? members : others).push_back(id);
  }
  members.insert(members.end(), others.begin(), others.end());
  if (members.size() >= ranks) {
    // Gangs that break are seldom told by whom: the next one has another rank 0 and, where there
    // are more workers than ranks, other members.
    const auto turn = static_cast<size_t>(job.lost_attempts + job.failures) % members.size();
    std::rotate(members.begin(), members.begin() + static_cast<ptrdiff_t>(turn), members.end());
    members.resize(ranks);
    Grant(job, members);
  }
}

void Scheduler::Impl::UpdateFree(const WorkerId& id) {
  const Worker* worker = workers_.Find(id);
  if (worker != nullptr && worker->active() && !leases_.HasLease(id)) {
    free_.insert(id);
  } else {
    free_.erase(id);
  }
}

void Scheduler::Impl::Heard(const WorkerId& worker) {
  workers_.Heard(worker, now_.monotonic);
  UpdateFree(worker);
}

// --- Runs. ---

absl::Status Scheduler::Impl::Handle(const RunSubmitted& event) {
  const std::string& request_id = event.run.request_id;
  if (!request_id.empty()) {
    if (const RunEntry* known = records_.FindByRequestId(request_id); known != nullptr) {
      if (known->record.request_digest == event.run.request_digest) {
        return absl::OkStatus();
      }
      return absl::AlreadyExistsError(absl::StrCat(
          "request_id \"", request_id, "\" was used for run \"", known->record.id.value(),
          "\" with a different specification; use a new request_id"));
    }
  }
  const RunId& id = event.run.id;
  if (id.empty()) {
    return absl::InvalidArgumentError("the run has no id");
  }
  if (records_.FindRun(id) != nullptr) {
    return absl::AlreadyExistsError(absl::StrCat("run \"", id.value(), "\" exists"));
  }
  if (event.jobs.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("run \"", id.value(), "\" has no jobs"));
  }
  std::set<int> indexes;
  std::set<JobId> ids;
  for (const JobRecord& job : event.jobs) {
    if (job.run != id || job.id.empty() || !indexes.insert(job.index).second ||
        !ids.insert(job.id).second || records_.FindJob(job.id) != nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(
          "run \"", id.value(), "\": job \"", job.id.value(), "\" at index ", job.index,
          " of run \"", job.run.value(), "\": jobs need ids and indexes of their own in that run"));
    }
  }
  if (event.run.ranks < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("run \"", id.value(), "\" has ", event.run.ranks, " ranks"));
  }
  RunRecord run = event.run;
  run.state = RunState::kRunning;
  run.create_time = now_.wall;
  run.end_time.reset();
  run.sequence = revision_ + 1;  // grows with every change, so no two runs share one
  std::vector<JobRecord> jobs;
  jobs.reserve(event.jobs.size());
  for (const JobRecord& submitted : event.jobs) {
    JobRecord job;
    job.id = submitted.id;
    job.run = submitted.run;
    job.index = submitted.index;
    job.payload = submitted.payload;
    job.model = submitted.model;
    job.create_time = now_.wall;
    jobs.push_back(std::move(job));
  }
  const RunEntry& entry = records_.Add(std::move(run), std::move(jobs));
  queue_.AddRun(entry.record);
  for (const auto& [index, job] : entry.jobs) {
    queue_.Add(job, now_.monotonic, now_.monotonic);
    records_.MarkChanged(job);
  }
  return absl::OkStatus();
}

absl::Status Scheduler::Impl::Handle(const RunCancelRequested& event) {
  RunEntry* run = records_.FindRun(event.run);
  if (run == nullptr) {
    return absl::NotFoundError(absl::StrCat("run \"", event.run.value(), "\" does not exist"));
  }
  if (run->record.state == RunState::kCancelled) {
    return absl::OkStatus();
  }
  if (IsTerminal(run->record.state)) {
    return absl::FailedPreconditionError(absl::StrCat("run \"", event.run.value(), "\" has ",
                                                      std::string(Name(run->record.state)),
                                                      "; only a running run can be cancelled"));
  }
  for (auto& [index, job] : run->jobs) {
    if (IsTerminal(job.state)) {
      continue;
    }
    if (job.state == JobState::kLeased) {
      for (const WorkerId& holder : HoldersOf(job)) {
        Revoke(holder, Lease{job.id, job.fencing_token}, "the run was cancelled");
      }
    }
    Move(job, JobState::kCancelled, [](JobRecord& j) { j.not_before.reset(); });
  }
  run->record.state = RunState::kCancelled;
  run->record.end_time = now_.wall;
  records_.MarkChanged(*run);
  return absl::OkStatus();
}

absl::Status Scheduler::Impl::Handle(const RunDeleteRequested& event) {
  const RunEntry* run = records_.FindRun(event.run);
  if (run == nullptr) {
    return absl::NotFoundError(absl::StrCat("run \"", event.run.value(), "\" does not exist"));
  }
  if (!IsTerminal(run->record.state)) {
    return absl::FailedPreconditionError(
        absl::StrCat("run \"", event.run.value(), "\" is running; cancel it before deleting it"));
  }
  queue_.RemoveRun(event.run);
  records_.ForgetRun(event.run);
  return absl::OkStatus();
}

absl::Status Scheduler::Impl::Handle(const JobRetryRequested& event) {
  JobRecord* job = records_.FindJob(event.job);
  if (job == nullptr) {
    return absl::NotFoundError(absl::StrCat("job \"", event.job.value(), "\" does not exist"));
  }
  const RunEntry& run = *records_.FindRun(job->run);
  if (job->state != JobState::kFailed) {
    return absl::FailedPreconditionError(absl::StrCat("job \"", event.job.value(), "\" is ",
                                                      std::string(Name(job->state)),
                                                      "; only a failed job can be retried"));
  }
  if (run.record.state == RunState::kCancelled) {
    return absl::FailedPreconditionError(
        absl::StrCat("job \"", event.job.value(), "\": its run was cancelled; submit a new run"));
  }
  Move(*job, JobState::kQueued, [](JobRecord& j) {
    j.failures = 0;
    j.resource_failures = 0;
    j.lost_attempts = 0;
    j.avoid.clear();
    j.not_before.reset();
    j.end_time.reset();
  });
  return absl::OkStatus();
}

absl::Status Scheduler::Impl::Handle(const ResultReplaced& event) {
  JobRecord* job = records_.FindJob(event.job);
  if (job == nullptr) {
    return absl::NotFoundError(absl::StrCat("job \"", event.job.value(), "\" does not exist"));
  }
  if (job->state != JobState::kSucceeded || job->fencing_token != event.fencing_token) {
    return absl::FailedPreconditionError(
        absl::StrCat("job \"", event.job.value(), "\" has no result of attempt ",
                     event.fencing_token, " that could be replaced"));
  }
  job->result = event.result;
  records_.DropChunks(event.job, event.fencing_token);
  records_.MarkChanged(*job);
  return absl::OkStatus();
}

// One of a set that std::visit calls on this object.
// NOLINTNEXTLINE(readability-convert-member-functions-to-static)
absl::Status Scheduler::Impl::Handle(const Tick& /*event*/) { return absl::OkStatus(); }

}  // namespace rwku::scheduler
