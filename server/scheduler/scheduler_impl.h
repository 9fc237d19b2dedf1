// The inside of Scheduler: one handler an event, over the tables of this folder.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "server/scheduler/gang.h"
#include "server/scheduler/lease_table.h"
#include "server/scheduler/ready_queue.h"
#include "server/scheduler/records.h"
#include "server/scheduler/scheduler.h"
#include "server/scheduler/types.h"
#include "server/scheduler/worker_table.h"

namespace rwku::scheduler {

class Scheduler::Impl {
 public:
  Impl(Options options, PersistentState state, Now now);

  Decision Step(const Event& event, Now now);

  absl::Duration NextDeadline() const;
  WorkerView View(const WorkerId& id, const Worker& worker) const;
  absl::Status CheckLease(const WorkerId& worker, const Lease& lease) const;
  absl::Status CheckResultLease(const WorkerId& worker, const Lease& lease) const;

  const Records& records() const { return records_; }
  const WorkerTable& workers() const { return workers_; }
  uint64_t revision() const { return revision_; }

 private:
  // Handlers return the verdict; they write into the step's `decision_`.
  absl::Status Handle(const RunSubmitted& event);
  absl::Status Handle(const RunCancelRequested& event);
  absl::Status Handle(const RunDeleteRequested& event);
  absl::Status Handle(const JobRetryRequested& event);
  absl::Status Handle(const WorkerConnected& event);
  absl::Status Handle(const WorkerDisconnected& event);
  absl::Status Handle(const WorkerHeartbeat& event);
  absl::Status Handle(const WorkerDraining& event);
  absl::Status Handle(const AttemptCompleted& event);
  absl::Status Handle(const AttemptFailed& event);
  absl::Status Handle(const ResultReplaced& event);
  absl::Status Handle(const Tick& event);

  // Takes the job out of the tables of its old state, lets `edit` change its other fields, changes
  // the state and enters it into the tables of the new one. Out of kLeased, every state but
  // kSucceeded erases the attempt's chunks.
  template <typename Edit>
  void Move(JobRecord& job, JobState to, const Edit& edit);
  // `workers` by rank; one for a job without a gang.
  void Grant(JobRecord& job, const std::vector<WorkerId>& workers);
  // Back to the queue, not counted.
  void Requeue(JobRecord& job);
  // The attempt's workers in `lost`, of a gang at least one, are lost: back to the queue, or failed
  // after too many in a row. A worker that loses one after the other rests.
  void Lose(JobRecord& job, const std::vector<WorkerId>& lost, absl::string_view how);
  // Tells the ranks of a leased job's gang, but for those in `but`, that the attempt is over.
  void RevokeOthers(const JobRecord& job, const std::vector<WorkerId>& but,
                    absl::string_view reason);
  void Revoke(const WorkerId& worker, const Lease& lease, absl::string_view reason);
  // `base` after the first failure in a row, doubling up to the limit.
  absl::Duration Backoff(absl::Duration base, int failures) const;
  // Whether a job ends as failed after `lost` attempts in a row that the workers in `avoid` lost.
  bool IsParked(int lost, const std::vector<WorkerId>& avoid) const;
  void FailAttempt(JobRecord& job, const AttemptFailed& event);
  void ExpireLeases();
  void AssignJobs();
  // One round of assignments; only jobs of one worker whose model it holds if `resident_only`.
  void AssignRound(bool resident_only);
  // Grants the job to a gang of the worker's kind if enough free workers are there.
  void FormGang(JobRecord& job, const ReadyQueue::Pick& pick, const WorkerId& worker);

  bool MayTake(const WorkerId& worker, int ranks, const std::vector<WorkerId>& avoid) const;
  // Whether the worker is known well enough to be waited for by the others of a gang.
  bool MayJoinGang(const Worker& worker) const;
  void RevokeStale(const WorkerId& worker, const Lease& lease);
  // Whether `lease` ended in the job's success, told by `worker`: its answer is on the way.
  bool IsFinished(const WorkerId& worker, const Lease& lease) const;
  // Whether it did, and `worker` was one of the gang.
  bool HadPartInResult(const WorkerId& worker, const Lease& lease) const;
  void Heard(const WorkerId& worker);
  // Keeps free_ right after any change of the worker or its leases.
  void UpdateFree(const WorkerId& id);
  absl::Duration ReadyAt(const JobRecord& job) const;
  absl::Duration LeaseDeadline() const { return now_.monotonic + options_.lease_duration; }

  const Options options_;
  Now now_;  // of the current step
  Records records_;
  WorkerTable workers_;
  LeaseTable leases_;
  ReadyQueue queue_{options_.backoff_limit};
  std::set<WorkerId> free_;  // active workers without a lease
  // Workers that may join a gang, by kind; made for one round of assignments.
  GangCandidates candidates_;
  uint64_t revision_ = 0;
  Decision decision_;  // of the current step
};

template <typename Edit>
void Scheduler::Impl::Move(JobRecord& job, JobState to, const Edit& edit) {
  const JobState from = job.state;
  if (from == JobState::kQueued) {
    queue_.Remove(job);
  } else if (from == JobState::kLeased) {
    const std::vector<WorkerId> holders = HoldersOf(job);
    leases_.Release(job.id);
    queue_.CountLeases(job.run, -static_cast<int>(holders.size()));
    if (to != JobState::kSucceeded) {
      records_.DropChunks(job.id, job.fencing_token);
      job.worker = WorkerId();
      job.gang.clear();
    }
    for (const WorkerId& holder : holders) {
      UpdateFree(holder);
    }
  }
  edit(job);
  records_.ChangeState(job, to);
  if (to == JobState::kQueued) {
    queue_.Add(job, ReadyAt(job), now_.monotonic);
  } else if (to == JobState::kLeased) {
    const std::vector<WorkerId> holders = HoldersOf(job);
    leases_.Grant(holders, Lease{job.id, job.fencing_token}, LeaseDeadline());
    queue_.CountLeases(job.run, static_cast<int>(holders.size()));
    for (const WorkerId& holder : holders) {
      UpdateFree(holder);
    }
  } else {
    job.end_time = now_.wall;
  }
}

}  // namespace rwku::scheduler
