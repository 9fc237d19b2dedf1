// What is known about a watched run, folded from its events. No output, no clock.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "rwku/v1/resources.pb.h"

namespace rwku::cli {

// Not thread-safe.
class ProgressModel {
 public:
  struct RunningJob {
    v1::Job job;
    std::optional<v1::JobProgress> progress;  // of the job's newest attempt
  };

  // Folds one event in. Returns whether it changed the state of the run or of a job (and not only
  // progress, or a revision that is known already). Lines() describes the last change.
  bool Apply(const v1::RunEvent& event);

  // One line on the last state change, for logs: "j2  Ann Example  ga-lora: succeeded in 12s".
  const std::string& last_change() const { return last_change_; }

  // The run as of its newest event.
  const v1::Run& run() const { return run_; }
  uint64_t revision() const { return revision_; }
  bool terminal() const;

  // Counted from the jobs seen so far; jobs not seen yet count as queued.
  v1::JobCounts counts() const;
  int total() const { return total_; }
  // Jobs that a worker holds, by name.
  std::vector<const RunningJob*> running() const;

  // Expected time to the run's end: for what is queued, the mean duration of finished jobs of the
  // same recipe (of all finished jobs where that recipe has none), shared by as many jobs as ran
  // when the newest one started. Nothing before the first job has succeeded, and when none is left.
  std::optional<absl::Duration> Remaining(absl::Time now) const;

 private:
  bool ApplyRun(const v1::Run& run);
  bool ApplyJob(const v1::Job& job);
  void ApplyProgress(const v1::JobProgressEvent& event);

  v1::Run run_;
  uint64_t revision_ = 0;
  int total_ = 0;
  int side_by_side_ = 0;  // jobs that ran when the newest one started
  std::string last_change_;
  std::map<std::string, RunningJob> jobs_;  // every job seen, by name
};

}  // namespace rwku::cli
