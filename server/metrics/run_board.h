// The newest runs with their progress, as metrics. At most kMaxRuns runs of kMaxRecipes recipes
// each are shown, so that the number of series is bounded however many runs there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "base/clock.h"
#include "server/coordinator/coordinator.h"
#include "server/metrics/run_progress.h"
#include "server/store/store.h"

namespace rwku::metrics {

struct RunBoardOptions {
  // How often it looks; zero: no thread, tests call Refresh().
  absl::Duration interval = absl::Seconds(2);
  // A run that ended is shown for so long.
  absl::Duration memory = absl::Minutes(15);
  // Jobs whose predictions are read in one look: after a restart it catches up look by look.
  int max_reads = 64;
};

// Thread-safe. What it is given outlives it.
class RunBoard final : public prometheus::Collectable {
 public:
  static constexpr size_t kMaxRuns = 20;
  static constexpr int kMaxRecipes = 32;

  RunBoard(RunBoardOptions options, coordinator::Coordinator* coordinator, store::Store* store,
           const Clock* clock);
  ~RunBoard() override;
  RunBoard(const RunBoard&) = delete;
  RunBoard& operator=(const RunBoard&) = delete;

  // What the last look saw.
  std::vector<prometheus::MetricFamily> Collect() const override;

  // Looks at the runs and reads the predictions of jobs that succeeded since. Not from two threads
  // at once.
  void Refresh();

 private:
  struct Recipe {
    std::string label;
    std::string method;
  };
  struct Job {
    uint64_t revision = 0;
    uint64_t fencing_token = 0;
    JobFacts facts;
    bool read = false;  // its scores, of this revision
    JobScores scores;
  };
  struct Run {
    bool shown = false;
    absl::Time create_time;
    std::string name;  // display name
    std::string model;
    bool parsed = false;
    std::vector<Recipe> recipes;
    std::map<std::string, int> by_label;
    std::map<int, Job> jobs;  // by index; of recipes that are shown
  };
  // What one look under the coordinator's mutex copies.
  struct JobCopy;

  void FindRuns();
  void LookAt(const RunId& id, Run* run);
  void ReadScores(const RunId& id, Run* run, int* reads);
  JobScores Read(const RunId& id, int index, uint64_t fencing_token);
  void Publish();
  void Loop();

  const RunBoardOptions options_;
  coordinator::Coordinator* const coordinator_;
  store::Store* const store_;
  const Clock* const clock_;

  std::map<RunId, Run> runs_;  // of Refresh() alone

  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<prometheus::MetricFamily> families_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace rwku::metrics
