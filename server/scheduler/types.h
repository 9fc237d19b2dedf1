// The scheduler's state: runs, jobs, workers, and the records of them that the store keeps.
// Plain values; what a run or job means to the benchmark travels as opaque bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"

#include "base/strong_id.h"

namespace rwku::scheduler {

// kRunning -> kSucceeded | kFailed | kCancelled; kFailed -> kRunning by RetryJob.
enum class RunState { kRunning, kSucceeded, kFailed, kCancelled };

// kQueued -> kLeased | kCancelled; kLeased -> kQueued (retry) | kSucceeded | kFailed | kCancelled;
// kFailed -> kQueued by RetryJob.
enum class JobState { kQueued, kLeased, kSucceeded, kFailed, kCancelled };

// Jobs of a run by their state.
class JobCounts {
 public:
  int& operator[](JobState state) { return counts_[static_cast<size_t>(state)]; }
  int operator[](JobState state) const { return counts_[static_cast<size_t>(state)]; }

 private:
  std::array<int, 5> counts_{};
};

enum class FailureClass { kInfrastructure, kResource, kNumeric, kInput, kInternal };

struct Failure {
  FailureClass failure_class = FailureClass::kInternal;
  std::string message;
  WorkerId worker;
  uint64_t fencing_token = 0;
};

bool IsTerminal(RunState state);
bool IsTerminal(JobState state);

// Persisted. `payload` is the service's serialized RunSpec.
struct RunRecord {
  RunId id;
  std::string payload;
  std::string request_id;      // empty: none
  std::string request_digest;  // of the submitted spec, to tell a repeat from a conflict
  int priority = 0;
  int max_failures = 3;  // failures of its own after which a job fails
  int ranks = 1;         // workers that share each of its jobs: more than one is a gang
  RunState state = RunState::kRunning;
  absl::Time create_time;
  std::optional<absl::Time> end_time;
  uint64_t sequence = 0;  // order of creation
  uint64_t revision = 0;  // of the newest change of the run or its jobs
};

// Persisted. `payload` is the service's serialized JobSpec, `result` its serialized JobResult.
struct JobRecord {
  JobId id;  // "{run}/{index}"
  RunId run;
  int index = 0;  // order within the run
  std::string payload;
  std::string model;  // affinity key: workers that hold it come first
  JobState state = JobState::kQueued;
  uint64_t fencing_token = 0;  // of the newest attempt; 0 = never leased; only grows
  int attempts = 0;
  int failures = 0;                      // that count against the run's max_failures
  int resource_failures = 0;             // = halvings of the micro-batch
  int lost_attempts = 0;                 // in a row: worker lost, or kInfrastructure
  WorkerId worker;                       // holds the lease, or made the result
  std::vector<WorkerId> gang;            // the same by rank, `worker` first; empty: `worker` alone
  std::optional<absl::Time> not_before;  // back-off, wall clock; compared after a restart, too
  std::vector<WorkerId> avoid;           // workers that lost or failed it, but for kResource
  std::optional<Failure> last_failure;
  std::string result;  // on kSucceeded
  absl::Time create_time;
  std::optional<absl::Time> start_time;  // of the newest attempt
  std::optional<absl::Time> end_time;
  uint64_t revision = 0;
};

// Who holds the lease of a leased job, or made the result, by rank.
std::vector<WorkerId> HoldersOf(const JobRecord& job);

// An attempt: what a worker holds, or every worker of a gang.
struct Lease {
  JobId job;
  uint64_t fencing_token = 0;

  friend bool operator==(const Lease&, const Lease&) = default;
};

// --- Events: what happened. ---

struct RunSubmitted {
  RunRecord run;
  std::vector<JobRecord> jobs;
};
struct RunCancelRequested {
  RunId run;
};
struct RunDeleteRequested {
  RunId run;
};
struct JobRetryRequested {
  JobId job;
};
struct WorkerConnected {
  WorkerId worker;
  std::string incarnation;
  std::vector<std::string> resident_models;
  std::vector<Lease> leases;
  bool draining = false;          // said by the worker
  bool drain_asked = false;       // of this process, by an operator
  std::string gang_kind = {};     // only workers of one kind form a gang; empty: it joins none
  std::string gang_address = {};  // where it meets the others as rank 0
};
// The stream broke. Leases live on until they expire; the same incarnation may come back for them.
struct WorkerDisconnected {
  WorkerId worker;
  std::string incarnation;
};
struct WorkerHeartbeat {
  WorkerId worker;
  std::vector<Lease> leases;
  std::vector<std::string> resident_models;
};
// Said by the worker (`released` go back to the queue) or asked by an operator (`released` empty).
struct WorkerDraining {
  WorkerId worker;
  std::vector<Lease> released;
};
struct AttemptCompleted {
  WorkerId worker;
  Lease lease;
  std::string result;
};
struct AttemptFailed {
  WorkerId worker;
  Lease lease;
  FailureClass failure_class = FailureClass::kInternal;
  std::string message;
};
// The scores of a job that succeeded were computed anew: `result` takes the place of the job's own.
// The attempt's chunks are erased; the new ones belong into the same commit.
struct ResultReplaced {
  JobId job;
  uint64_t fencing_token = 0;  // of the attempt whose predictions were read
  std::string result;
};
// Time passed: expired leases are taken back, back-offs end.
struct Tick {};

using Event = std::variant<RunSubmitted, RunCancelRequested, RunDeleteRequested, JobRetryRequested,
                           WorkerConnected, WorkerDisconnected, WorkerHeartbeat, WorkerDraining,
                           AttemptCompleted, AttemptFailed, ResultReplaced, Tick>;

// --- Decisions: what follows. ---

// New contents of a record, to be committed before any command goes out.
struct PutRun {
  RunRecord run;
};
struct PutJob {
  JobRecord job;
};
// The run with all its jobs, events and predictions.
struct EraseRun {
  RunId run;
};
// Prediction chunks of an attempt that will never be a result.
struct EraseAttempt {
  JobId job;
  uint64_t fencing_token = 0;
};
using StateChange = std::variant<PutRun, PutJob, EraseRun, EraseAttempt>;

struct Assign {
  WorkerId worker;
  Lease lease;
  int world_size = 1;
  int rank = 0;
  std::string rendezvous;  // the gang_address of rank 0; empty without a gang
};
// The gang's result is stored: this rank's part of it is done.
struct Release {
  WorkerId worker;
  Lease lease;
};
struct Revoke {
  WorkerId worker;
  Lease lease;
  std::string reason;
};
struct Drain {
  WorkerId worker;
};
using Command = std::variant<Assign, Revoke, Release, Drain>;

}  // namespace rwku::scheduler
