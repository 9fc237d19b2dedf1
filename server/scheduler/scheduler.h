// The scheduler: a pure function of events and time. No thread, clock, socket or disk; same events,
// same decisions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "server/scheduler/types.h"

namespace rwku::scheduler {

struct Options {
  absl::Duration lease_duration =
      absl::Seconds(15);  // after the last heartbeat that listed the lease
  absl::Duration backoff_base =
      absl::Seconds(1);  // first retry after a failure of the job's own; doubles
  absl::Duration loss_backoff_base =
      absl::Milliseconds(250);  // first retry after a lost worker; doubles
  // Of both, and of a worker's rest. A job that waits this long for a worker that has not lost or
  // failed it goes to any.
  absl::Duration backoff_limit = absl::Minutes(5);
  int max_resource_failures = 6;  // halvings of the micro-batch before the job fails
  int max_lost_attempts = 5;      // attempts in a row that ended with their worker lost or with
                                  // kInfrastructure: the job is parked as failed, once that many
                                  // workers, or all there are, lost or failed it
  int max_broken_gangs = 12;      // attempts in a row of a gang that ended with kInfrastructure,
                                  // after which its job is parked: nobody can be avoided for them
  int max_worker_losses = 3;      // attempts in a row that a worker may lose before it rests; from
                                  // then on for backoff_base after a loss, doubling
  absl::Duration worker_memory = absl::Hours(1);  // a disconnected worker without a lease is
                                                  // forgotten after this long
};

// The two times of a step: `monotonic` decides about leases, `wall` is written into records.
struct Now {
  absl::Duration monotonic;
  absl::Time wall;
};

// What a step decided. The caller commits `changes` atomically, then carries `commands` out, then
// answers with `verdict`. If the commit fails, none of it happened: rebuild the scheduler from the
// store.
struct Decision {
  absl::Status verdict;  // of the event: OK; FAILED_PRECONDITION for a stale lease; NOT_FOUND;
                         // ALREADY_EXISTS; ...
  std::vector<StateChange> changes;
  std::vector<Command> commands;
  // WorkerConnected only: of the leases that the worker brought, those that are still good.
  std::vector<Lease> kept_leases;
};

// A worker as the scheduler sees it.
struct WorkerView {
  WorkerId id;
  std::string incarnation;
  bool connected = false;
  bool draining = false;
  std::vector<std::string> resident_models;
  std::vector<Lease> leases;
  int completed_jobs = 0;
  int failed_attempts = 0;
};

// Everything that survives a restart.
struct PersistentState {
  std::vector<RunRecord> runs;
  std::vector<JobRecord> jobs;
  uint64_t revision = 0;  // newest
};

// Not thread-safe: the coordinator holds its mutex around every call.
class Scheduler {
 public:
  // Leases in `state` get a full lease duration from `now`, so that workers can come back for them.
  Scheduler(Options options, PersistentState state, Now now);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Takes one event in; of a worker, events of its newest stream only. The event comes first, then
  // leases that ran out are taken back, then free workers get jobs, whatever the verdict. A record
  // changes at most once a step, however many moves it made. Changed records carry the next
  // revisions: one a changed record, increasing in the order of `changes`, and a run's record
  // always follows its changed jobs with its own new revision.
  Decision Step(const Event& event, Now now);

  // When the next Tick can change something (monotonic); infinite if never.
  absl::Duration NextDeadline() const;

  // Reads. Null when unknown; valid until the next Step.
  const RunRecord* FindRun(const RunId& run) const;
  const JobRecord* FindJob(const JobId& job) const;
  const RunRecord* FindRunByRequestId(const std::string& request_id) const;
  // Newest first.
  std::vector<const RunRecord*> Runs() const;
  // In the order of their index.
  std::vector<const JobRecord*> Jobs(const RunId& run) const;
  // The same, one after the other until `visit` returns false: runs with a sequence below `before`
  // (0: all), jobs with an index of `first` or more. `visit` must not step the scheduler.
  void VisitRuns(uint64_t before, const std::function<bool(const RunRecord&)>& visit) const;
  void VisitJobs(const RunId& run, uint64_t first,
                 const std::function<bool(const JobRecord&)>& visit) const;
  // All zero for an unknown run. Does not scan the jobs.
  JobCounts CountJobs(const RunId& run) const;
  std::vector<WorkerView> Workers() const;
  uint64_t revision() const;
  // OK if `lease` is its job's live lease and `worker` holds it; FAILED_PRECONDITION otherwise.
  absl::Status CheckLease(const WorkerId& worker, const Lease& lease) const;
  // The same, and of a gang `worker` is rank 0: predictions and the result come from there.
  absl::Status CheckResultLease(const WorkerId& worker, const Lease& lease) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rwku::scheduler
