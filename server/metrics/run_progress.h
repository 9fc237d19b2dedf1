// How far a run is: jobs, time left and scores so far, by recipe. Pure: facts about jobs in,
// figures out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "server/scheduler/types.h"

namespace rwku::metrics {

// Sums over a target's probes of the sets of one side, as the main table's "All" has them.
struct ScoreSum {
  double sum = 0;
  int64_t count = 0;
};

// ROUGE-L recall of a job's last predictions, by target.
struct JobScores {
  std::map<std::string, ScoreSum> forget;
  std::map<std::string, ScoreSum> neighbor;
};

struct JobFacts {
  int recipe = 0;  // index
  scheduler::JobState state = scheduler::JobState::kQueued;
  std::optional<absl::Time> start_time;
  std::optional<absl::Time> end_time;
  const JobScores* scores = nullptr;  // of a job that succeeded, once they were read
};

struct RecipeProgress {
  int jobs = 0;
  int succeeded = 0;
  // Mean over a target's probes, then over targets, 0 to 1; unset without a probe.
  std::optional<double> forget;
  std::optional<double> neighbor;
};

struct RunProgress {
  scheduler::JobCounts jobs;
  std::vector<RecipeProgress> recipes;
  // Until the last open job ends, if as many workers stay with it; unset while no job of it has
  // succeeded, none runs, or none is open.
  std::optional<absl::Duration> remaining;
};

// `recipes`: how many there are. A job is expected to take as long as those of its recipe did on
// average, or those of the run where none of its recipe has succeeded.
RunProgress Summarize(const std::vector<JobFacts>& jobs, int recipes, absl::Time now);

}  // namespace rwku::metrics
