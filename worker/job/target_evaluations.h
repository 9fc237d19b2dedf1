// The evaluations of a job's targets, prepared once and run as often as the job is looked at.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/dataset/dataset.h"
#include "benchmark/evaluate/evaluate.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/job/attempt.h"

namespace rwku::job {

class TargetEvaluations {
 public:
  // Reads the probes of every target before anything is trained: bad data should not wait for it.
  // With `icu`, the prompts of each target begin with the prefix for its own name. INVALID_ARGUMENT
  // and NOT_FOUND name the file and record of what cannot be read, or the target that has none of
  // the sets.
  static absl::StatusOr<TargetEvaluations> Prepare(
      const dataset::Dataset& data, absl::Span<const dataset::TargetInfo* const> targets,
      const AttemptSpec& spec, bool icu, const CancelToken& cancel);

  // Evaluates the first `count` targets, one after another, as evaluate::Evaluation::Run does;
  // `progress` counts over all of them.
  absl::StatusOr<evaluate::EvaluationSummary> Run(size_t count, evaluate::LanguageModel& model,
                                                  const evaluate::PredictionSink& sink,
                                                  const evaluate::ProgressCallback& progress,
                                                  const CancelToken& cancel) const;

  size_t count() const { return evaluations_.size(); }

 private:
  std::vector<evaluate::Evaluation> evaluations_;  // one a target
};

}  // namespace rwku::job
