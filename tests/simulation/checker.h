// The invariants. Sees every commit and every answer, and remembers the first violation.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "server/scheduler/scheduler.h"
#include "server/scheduler/types.h"
#include "server/store/mem_store.h"

namespace rwku::simulation {

// What a worker makes of a job: a function of its specification, so that every attempt that may
// count gives the same.
std::string ExpectedResult(const std::string& payload);
std::vector<std::vector<std::string>> ExpectedChunks(const std::string& payload);
// A job of this kind fails wherever it runs.
bool IsBadInput(const std::string& payload);

class Checker {
 public:
  explicit Checker(store::MemStore& store) : store_(store) {}
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;

  // After a commit: tokens only grow, a success is final and comes from the live lease, chunks of
  // a success are complete.
  void OnCommitted(const store::Batch& batch);
  // The coordinator tells a worker that its result is stored.
  void OnResultAcked(const WorkerId& worker, const scheduler::Lease& lease);
  // The scheduler of now gives a worker a job, alone or as a rank of a gang.
  void OnAssign(const scheduler::Scheduler& scheduler, const scheduler::Assign& assign);
  void OnSubmitAcked(const std::string& request_id, const RunId& run);
  void OnCancelAcked(const RunId& run);
  void OnDeleteAsked(const RunId& run);  // it may be gone from now on
  void OnDeleteAcked(const RunId& run);

  // Scheduler and store agree, everything acknowledged is in the store, one lease a worker, one
  // run a request (a run's payload is its request), no chunks of dead attempts.
  void CheckAll(const scheduler::Scheduler& scheduler);
  // The store alone is something that a coordinator can start from.
  void CheckStartable(const scheduler::PersistentState& state);
  // At the end: every job is where it has to be.
  void CheckEnd();

  void Violate(absl::string_view what);
  bool ok() const { return violation_.empty(); }
  const std::string& violation() const { return violation_; }

  // The committed records.
  const std::map<RunId, scheduler::RunRecord>& runs() const { return runs_; }
  const std::map<JobId, scheduler::JobRecord>& jobs() const { return jobs_; }
  bool AllTerminal() const;

 private:
  void OnPutJob(const scheduler::JobRecord& job);
  void CheckPredictions(const scheduler::JobRecord& job);

  store::MemStore& store_;
  std::map<RunId, scheduler::RunRecord> runs_;
  std::map<JobId, scheduler::JobRecord> jobs_;
  std::map<JobId, scheduler::Lease> acked_results_;
  std::map<std::string, RunId> acked_submits_;
  std::set<RunId> acked_cancels_;
  std::set<RunId> asked_deletes_;
  std::set<RunId> acked_deletes_;
  std::string violation_;
};

}  // namespace rwku::simulation
