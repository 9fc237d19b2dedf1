#include "client/cli/progress_model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "client/cli/format.h"
#include "client/cli/recipe_syntax.h"
#include "client/client.h"

namespace rwku::cli {
namespace {

int SumOf(const v1::JobCounts& counts) {
  return counts.queued() + counts.leased() + counts.succeeded() + counts.failed() +
         counts.cancelled();
}

std::string CountsText(const v1::JobCounts& counts) {
  std::vector<std::string> parts;
  const auto add = [&parts](int count, const char* what) {
    if (count > 0) {
      parts.push_back(absl::StrCat(count, " ", what));
    }
  };
  add(counts.succeeded(), "succeeded");
  add(counts.failed(), "failed");
  add(counts.cancelled(), "cancelled");
  add(counts.leased(), "running");
  add(counts.queued(), "queued");
  return absl::StrJoin(parts, ", ");
}

// How the job came into its state.
std::string ChangeOf(const v1::Job& job) {
  switch (job.state()) {
    case v1::JOB_STATE_QUEUED:
      return job.attempts() == 0 || !job.has_last_failure()
                 ? "queued"
                 : absl::StrCat("queued again (", FailureText(job.last_failure()), ")");
    case v1::JOB_STATE_LEASED:
      return absl::StrCat(
          "running on ", ShortName(job.worker()),
          job.attempts() > 1 ? absl::StrCat(" (attempt ", job.attempts(), ")") : "");
    case v1::JOB_STATE_SUCCEEDED:
      return job.has_start_time() && job.has_end_time()
                 ? absl::StrCat("succeeded in ", cli::FormatDuration(ToTime(job.end_time()) -
                                                                     ToTime(job.start_time())))
                 : "succeeded";
    case v1::JOB_STATE_FAILED:
      return absl::StrCat("failed (", FailureText(job.last_failure()), ")");
    default:
      return StateName(job.state());
  }
}

std::string JobTitle(const v1::Job& job) {
  return absl::StrCat(JobId(job.name()), "  ", job.target(), "  ", RecipeName(job.recipe()),
                      "  seed ", job.seed());
}

}  // namespace

bool ProgressModel::terminal() const { return client::IsTerminal(run_.state()); }

bool ProgressModel::Apply(const v1::RunEvent& event) {
  revision_ = std::max<uint64_t>(revision_, event.revision());
  switch (event.change_case()) {
    case v1::RunEvent::kRun:
      return ApplyRun(event.run());
    case v1::RunEvent::kJob:
      return ApplyJob(event.job());
    case v1::RunEvent::kProgress:
      ApplyProgress(event.progress());
      return false;
    default:
      return false;
  }
}

bool ProgressModel::ApplyRun(const v1::Run& run) {
  const bool changed = run.state() != run_.state();
  run_ = run;
  total_ = std::max(total_, SumOf(run.jobs()));
  if (changed) {
    last_change_ = absl::StrCat("run ", ShortName(run.name()), ": ", StateName(run.state()), " (",
                                CountsText(run.jobs()), ")");
  }
  return changed;
}

bool ProgressModel::ApplyJob(const v1::Job& job) {
  RunningJob& known = jobs_[job.name()];
  const bool changed =
      known.job.state() != job.state() || known.job.fencing_token() != job.fencing_token();
  if (known.job.fencing_token() != job.fencing_token() || job.state() != v1::JOB_STATE_LEASED) {
    known.progress.reset();
  }
  known.job = job;
  total_ = std::max(total_, static_cast<int>(jobs_.size()));
  if (changed && job.state() == v1::JOB_STATE_LEASED) {
    side_by_side_ = static_cast<int>(running().size());
  }
  if (changed) {
    last_change_ = absl::StrCat(JobTitle(job), ": ", ChangeOf(job));
  }
  return changed;
}

void ProgressModel::ApplyProgress(const v1::JobProgressEvent& event) {
  const auto known = jobs_.find(event.job());
  // Progress of an attempt that has been replaced says nothing about the newest one.
  if (known != jobs_.end() && known->second.job.fencing_token() == event.fencing_token() &&
      known->second.job.state() == v1::JOB_STATE_LEASED) {
    known->second.progress = event.progress();
  }
}

v1::JobCounts ProgressModel::counts() const {
  v1::JobCounts counts;
  for (const auto& [name, known] : jobs_) {
    switch (known.job.state()) {
      case v1::JOB_STATE_LEASED:
        counts.set_leased(counts.leased() + 1);
        break;
      case v1::JOB_STATE_SUCCEEDED:
        counts.set_succeeded(counts.succeeded() + 1);
        break;
      case v1::JOB_STATE_FAILED:
        counts.set_failed(counts.failed() + 1);
        break;
      case v1::JOB_STATE_CANCELLED:
        counts.set_cancelled(counts.cancelled() + 1);
        break;
      default:
        break;
    }
  }
  counts.set_queued(total_ - SumOf(counts));
  return counts;
}

std::vector<const ProgressModel::RunningJob*> ProgressModel::running() const {
  std::vector<const RunningJob*> running;
  for (const auto& [name, known] : jobs_) {
    if (known.job.state() == v1::JOB_STATE_LEASED) {
      running.push_back(&known);
    }
  }
  return running;
}

std::optional<absl::Duration> ProgressModel::Remaining(absl::Time now) const {
  struct Mean {
    absl::Duration sum;
    int count = 0;
  };
  std::map<std::string, Mean> by_recipe;
  Mean all;
  for (const auto& [name, known] : jobs_) {
    const v1::Job& job = known.job;
    if (job.state() == v1::JOB_STATE_SUCCEEDED && job.has_start_time() && job.has_end_time()) {
      const absl::Duration took = ToTime(job.end_time()) - ToTime(job.start_time());
      Mean& mean = by_recipe[RecipeName(job.recipe())];
      mean.sum += took;
      ++mean.count;
      all.sum += took;
      ++all.count;
    }
  }
  if (all.count == 0) {
    return std::nullopt;
  }
  const auto expected = [&by_recipe, &all](const v1::Job& job) {
    const auto mean = by_recipe.find(RecipeName(job.recipe()));
    return mean == by_recipe.end() ? all.sum / all.count : mean->second.sum / mean->second.count;
  };
  absl::Duration work;
  absl::Duration longest;  // of the jobs that run now: the run cannot end before
  int unfinished = total_ - static_cast<int>(jobs_.size());
  work += unfinished * (all.sum / all.count);
  for (const auto& [name, known] : jobs_) {
    if (known.job.state() == v1::JOB_STATE_QUEUED) {
      ++unfinished;
      work += expected(known.job);
    } else if (known.job.state() == v1::JOB_STATE_LEASED) {
      ++unfinished;
      absl::Duration left = expected(known.job) - (now - ToTime(known.job.start_time()));
      if (known.progress.has_value() && known.progress->has_remaining()) {
        left = ToDuration(known.progress->remaining());
      }
      left = std::max(left, absl::ZeroDuration());
      work += left;
      longest = std::max(longest, left);
    }
  }
  if (unfinished == 0) {
    return std::nullopt;
  }
  // Not what runs at this moment: between two jobs of one worker that is nothing.
  return std::max(longest, work / std::max(1, side_by_side_));
}

}  // namespace rwku::cli
