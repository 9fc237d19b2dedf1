// The run and job records in memory, and which of them changed since the last Flush.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

#include "server/scheduler/ready_queue.h"
#include "server/scheduler/types.h"

namespace rwku::scheduler {

struct RunEntry {
  RunRecord record;
  std::map<int, JobRecord> jobs;  // by index
  JobCounts counts;
};

// Not thread-safe. Pointers live until their run is erased.
class Records {
 public:
  // `run.id`, the job ids and indexes must be new. Marks nothing as changed.
  RunEntry& Add(RunRecord run, std::vector<JobRecord>&& jobs);
  // Forgets the run; the next Flush begins with its EraseRun.
  void ForgetRun(const RunId& run);

  // Null when unknown.
  RunEntry* FindRun(const RunId& run);
  const RunEntry* FindRun(const RunId& run) const;
  JobRecord* FindJob(const JobId& job);
  const JobRecord* FindJob(const JobId& job) const;
  const RunEntry* FindByRequestId(const std::string& request_id) const;
  const JobRecord& Get(const JobRef& ref) const { return runs_.at(ref.run).jobs.at(ref.index); }
  const std::map<RunId, RunEntry>& runs() const { return runs_; }
  // Calls `visit` with the runs created before the one with `sequence` (0: with all), newest first,
  // until it returns false.
  void VisitBefore(uint64_t sequence, const std::function<bool(const RunEntry&)>& visit) const;

  // Changes the state by Transition, keeps the run's counts and marks the job as changed.
  void ChangeState(JobRecord& job, JobState to);
  void MarkChanged(const JobRecord& job);
  void MarkChanged(const RunEntry& run);
  // The chunks of an attempt that will never be a result.
  void DropChunks(const JobId& job, uint64_t fencing_token);

  // Ends runs whose jobs are all terminal and reopens those that have open jobs again.
  void DeriveRunStates(absl::Time now);
  // The changes since the last Flush. Gives changed records the revisions after `revision`, run by
  // run in the order of creation: the changed jobs by index, then the run.
  std::vector<StateChange> Flush(uint64_t& revision);

 private:
  using RunOrder = std::pair<uint64_t, RunId>;  // by creation

  static RunOrder OrderOf(const RunRecord& run) { return {run.sequence, run.id}; }

  std::map<RunId, RunEntry> runs_;
  std::map<RunOrder, const RunEntry*> order_;
  absl::flat_hash_map<JobId, JobRecord*> jobs_;                // lookups only: never iterated
  absl::flat_hash_map<std::string, RunEntry*> by_request_id_;  // likewise
  std::map<RunOrder, std::set<int>> changed_;
  std::vector<EraseAttempt> erased_attempts_;
  std::vector<RunId> erased_runs_;
};

}  // namespace rwku::scheduler
