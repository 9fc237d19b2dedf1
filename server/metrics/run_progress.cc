#include "server/metrics/run_progress.h"

#include <algorithm>

namespace rwku::metrics {
namespace {

using scheduler::JobState;

struct Mean {
  absl::Duration total;
  int count = 0;

  void Add(absl::Duration duration) {
    total += duration;
    ++count;
  }
  absl::Duration Or(absl::Duration other) const { return count == 0 ? other : total / count; }
};

std::optional<double> MeanOverTargets(const std::map<std::string, ScoreSum>& targets) {
  double sum = 0;
  int count = 0;
  for (const auto& [target, scores] : targets) {
    if (scores.count > 0) {
      sum += scores.sum / static_cast<double>(scores.count);
      ++count;
    }
  }
  return count == 0 ? std::nullopt : std::optional<double>(sum / count);
}

void AddAll(const std::map<std::string, ScoreSum>& from, std::map<std::string, ScoreSum>* to) {
  for (const auto& [target, scores] : from) {
    ScoreSum& sum = (*to)[target];
    sum.sum += scores.sum;
    sum.count += scores.count;
  }
}

std::optional<absl::Duration> Remaining(const std::vector<JobFacts>& jobs,
                                        const std::vector<Mean>& by_recipe, const Mean& all,
                                        absl::Time now) {
  if (all.count == 0) {
    return std::nullopt;
  }
  absl::Duration work;
  int running = 0;
  for (const JobFacts& job : jobs) {
    const absl::Duration expected =
        by_recipe[static_cast<size_t>(job.recipe)].Or(all.Or(absl::ZeroDuration()));
    if (job.state == JobState::kQueued) {
      work += expected;
    } else if (job.state == JobState::kLeased) {
      ++running;
      const absl::Duration so_far = job.start_time
                                        ? std::max(absl::ZeroDuration(), now - *job.start_time)
                                        : absl::ZeroDuration();
      work += std::max(absl::ZeroDuration(), expected - so_far);
    }
  }
  return running == 0 ? std::nullopt : std::optional<absl::Duration>(work / running);
}

}  // namespace

RunProgress Summarize(const std::vector<JobFacts>& jobs, int recipes, absl::Time now) {
  RunProgress progress;
  progress.recipes.resize(static_cast<size_t>(recipes));
  std::vector<JobScores> scores(static_cast<size_t>(recipes));
  std::vector<Mean> by_recipe(static_cast<size_t>(recipes));
  Mean all;
  for (const JobFacts& job : jobs) {
    const auto recipe = static_cast<size_t>(job.recipe);
    ++progress.jobs[job.state];
    ++progress.recipes[recipe].jobs;
    if (job.state != JobState::kSucceeded) {
      continue;
    }
    ++progress.recipes[recipe].succeeded;
    if (job.start_time && job.end_time) {
      by_recipe[recipe].Add(*job.end_time - *job.start_time);
      all.Add(*job.end_time - *job.start_time);
    }
    if (job.scores != nullptr) {
      AddAll(job.scores->forget, &scores[recipe].forget);
      AddAll(job.scores->neighbor, &scores[recipe].neighbor);
    }
  }
  for (size_t recipe = 0; recipe < scores.size(); ++recipe) {
    progress.recipes[recipe].forget = MeanOverTargets(scores[recipe].forget);
    progress.recipes[recipe].neighbor = MeanOverTargets(scores[recipe].neighbor);
  }
  progress.remaining = Remaining(jobs, by_recipe, all, now);
  return progress;
}

}  // namespace rwku::metrics
