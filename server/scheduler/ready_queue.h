// The queued jobs and the policy that picks among them:
//   1. the run with the highest priority,
//   2. of those, the runs with the fewest workers at work (equal shares), in the order of their
//   last
//      turns (a new run's is its arrival), then of their age: the first of them, unless only a
//      later one has a job whose model the worker holds already. Loading a model takes long, so
//      that one goes before, but the first run is passed over at most kMaxPassedOver times,
//   3. in that run, jobs whose model the worker holds already,
//   4. of those, the lowest index.
// A run none of whose jobs the worker may take is passed over. A job's avoid list holds for a
// bounded wait. Nothing here scans all the jobs: a run keeps its jobs by (avoid list, model), and
// there are few of either.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "server/scheduler/types.h"

namespace rwku::scheduler {

struct JobRef {
  RunId run;
  int index = 0;

  friend bool operator==(const JobRef&, const JobRef&) = default;
  friend auto operator<=>(const JobRef&, const JobRef&) = default;
};

// Not thread-safe. Times are monotonic.
class ReadyQueue {
 public:
  struct Pick {
    JobRef job;
    int ranks = 1;                     // of the gang that it needs
    std::vector<WorkerId> avoid;       // workers that it does not go to, if others may take it
    bool resident = false;             // the worker holds the model; false for a gang's job
    std::optional<RunId> passed_over;  // whose turn it would have been
  };
  static constexpr int kMaxPassedOver = 8;

  // `avoidance`: how long a job that is ready waits for a worker that is not in its avoid list.
  explicit ReadyQueue(absl::Duration avoidance) : avoidance_(avoidance) {}

  void AddRun(const RunRecord& run);
  // The run must have no queued job and no live lease.
  void RemoveRun(const RunId& run);

  // `job.avoid` and `job.model` must not change until Remove. A job with `ready_at` in the future
  // is held back until Release.
  void Add(const JobRecord& job, absl::Duration ready_at, absl::Duration now);
  void Remove(const JobRecord& job);
  // Adds `delta` to the workers that hold the run's leases; a positive one is the run's turn.
  void CountLeases(const RunId& run, int delta);
  // Notes that a pick which passed the run over was granted.
  void PassOver(const RunId& run) { ++runs_.at(run).passed_over; }

  // Moves the jobs whose back-off ended at or before `now` into the queue, and opens those that
  // have waited long enough to every worker. `find` gives their records.
  void Release(absl::Duration now, const std::function<const JobRecord&(const JobRef&)>& find);
  // When the next back-off or wait ends; infinite if none.
  absl::Duration NextRelease() const;

  bool empty() const { return order_.empty(); }
  // Whether a run whose jobs need a gang is known.
  bool has_gangs() const { return gang_runs_ > 0; }

  // Whether the worker that asks may take jobs of so many ranks with that avoid list.
  using MayTake = std::function<bool(int ranks, const std::vector<WorkerId>& avoid)>;

  // The job that a worker holding `resident_models` gets, or nullopt. Changes nothing.
  std::optional<Pick> PickFor(const std::vector<std::string>& resident_models,
                              const MayTake& may_take) const;

 private:
  struct Run {
    int priority = 0;
    int ranks = 1;
    uint64_t sequence = 0;
    int live_leases = 0;
    uint64_t last_turn = 0;
    int passed_over = 0;  // since its last turn
    std::map<std::vector<WorkerId>, std::map<std::string, std::set<int>>> ready;
  };
  // Jobs and a time of each.
  class Deadlines {
   public:
    void Add(const JobRef& job, absl::Duration time);
    // False if it has none.
    bool Remove(const JobRef& job);
    // Removes and returns a job whose time is at or before `now`, earliest first.
    std::optional<JobRef> Pop(absl::Duration now);
    // Infinite if there is none.
    absl::Duration Next() const;

   private:
    std::set<std::pair<absl::Duration, JobRef>> by_time_;
    std::map<JobRef, absl::Duration> by_job_;
  };
  // Smallest first: (-priority, live leases, last turn, sequence, run).
  using Key = std::tuple<int64_t, int, uint64_t, uint64_t, RunId>;

  // The best job in one run.
  std::optional<Pick> PickIn(const RunId& id, const std::vector<std::string>& resident_models,
                             const MayTake& may_take) const;
  static Key KeyOf(const RunId& id, const Run& run);
  // Into the group of the jobs that the workers in `avoid`, sorted, may not take; and out of it.
  void Insert(const JobRecord& job, const std::vector<WorkerId>& avoid);
  void Erase(const JobRecord& job, const std::vector<WorkerId>& avoid);
  void InsertReady(const JobRecord& job, absl::Duration now);

  const absl::Duration avoidance_;
  std::map<RunId, Run> runs_;
  int gang_runs_ = 0;    // known runs whose jobs need a gang
  uint64_t turns_ = 0;   // leases granted so far
  std::set<Key> order_;  // of the runs with a ready job
  Deadlines delayed_;    // of the jobs that back off: when they are ready
  Deadlines avoiding_;   // of the ready jobs that avoid workers: until when
};

}  // namespace rwku::scheduler
