#include "worker/job/target_evaluations.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/status_macros.h"

namespace rwku::job {
namespace {

// Of the sets that a group is asked, those that this target has.
absl::StatusOr<std::vector<dataset::ProbeSet>> SetsOf(const dataset::TargetInfo& target,
                                                      const AttemptSpec& spec) {
  if (spec.targets.size() == 1) {
    return spec.probe_sets;
  }
  std::vector<dataset::ProbeSet> sets;
  for (const dataset::ProbeSet set : spec.probe_sets) {
    if (std::find(target.probe_sets.begin(), target.probe_sets.end(), set) !=
        target.probe_sets.end()) {
      sets.push_back(set);
    }
  }
  if (sets.empty()) {
    return absl::NotFoundError(absl::StrCat("target \"", target.name, "\" in dataset \"",
                                            spec.dataset,
                                            "\" of this worker has none of the job's probe sets"));
  }
  return sets;
}

}  // namespace

absl::StatusOr<TargetEvaluations> TargetEvaluations::Prepare(
    const dataset::Dataset& data, absl::Span<const dataset::TargetInfo* const> targets,
    const AttemptSpec& spec, bool icu, const CancelToken& cancel) {
  TargetEvaluations evaluations;
  for (const dataset::TargetInfo* target : targets) {
    evaluate::EvaluateOptions options;
    if (icu) {
      options.icu_subject = target->name;
    }
    options.single_bos = spec.single_bos;
    options.stop_at_newline = spec.stop_at_newline;
    RWKU_ASSIGN_OR_RETURN(const std::vector<dataset::ProbeSet> sets, SetsOf(*target, spec));
    RWKU_ASSIGN_OR_RETURN(evaluate::Evaluation evaluation,
                          evaluate::Evaluation::Prepare(data, *target, sets, options, cancel));
    evaluations.evaluations_.push_back(std::move(evaluation));
  }
  return evaluations;
}

absl::StatusOr<evaluate::EvaluationSummary> TargetEvaluations::Run(
    size_t count, evaluate::LanguageModel& model, const evaluate::PredictionSink& sink,
    const evaluate::ProgressCallback& progress, const CancelToken& cancel) const {
  size_t total = 0;
  for (size_t i = 0; i < count; ++i) {
    total += evaluations_[i].request_count();
  }
  evaluate::EvaluationSummary all;
  size_t before = 0;
  for (size_t i = 0; i < count; ++i) {
    evaluate::Evaluation evaluation = evaluations_[i];
    const evaluate::ProgressCallback counted = [&](size_t done, size_t /*of_this_target*/) {
      progress(before + done, total);
    };
    RWKU_ASSIGN_OR_RETURN(evaluate::EvaluationSummary one,
                          std::move(evaluation).Run(model, sink, counted, cancel));
    before += evaluations_[i].request_count();
    all.usage.prompt_tokens += one.usage.prompt_tokens;
    all.usage.computed_prompt_tokens += one.usage.computed_prompt_tokens;
    all.usage.generated_tokens += one.usage.generated_tokens;
    all.word_tokenizer = std::move(one.word_tokenizer);
  }
  return all;
}

}  // namespace rwku::job
