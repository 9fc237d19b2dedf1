// Drives a model through one target's probes and says how it answered.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/dataset/dataset.h"
#include "benchmark/dataset/probe_set.h"
#include "benchmark/evaluate/language_model.h"
#include "benchmark/evaluate/prediction.h"

namespace rwku::evaluate {

struct EvaluateOptions {
  // With a name, every user turn and every membership text begins with protocol::IcuPrefix of it.
  std::string icu_subject;
  // As in PromptOptions.
  bool single_bos = false;
};

// Takes the finished predictions of one probe set, in the order of its file. An error ends the
// evaluation with that error.
using PredictionSink = std::function<absl::Status(std::vector<Prediction> predictions)>;

struct EvaluationSummary {
  Usage usage;                 // tokens of this evaluation
  std::string word_tokenizer;  // that fluency was measured with: "punkt" or "fallback"
};

// Asks `model` every probe of `sets` (each at most once) of `target`, scores what it did (see
// score_prediction.h) and gives the predictions to `sink`, set by set in the order of `sets`. Each
// kind of call is made once over all sets, so that the engine can fill its batches and share
// prefixes. Predictions do not depend on which other sets are asked for.
//
// `progress` (may be null) counts requests over all calls. Everything is read and checked before
// the model is asked: INVALID_ARGUMENT names a set that is asked for twice, INVALID_ARGUMENT and
// NOT_FOUND the file of a set that cannot be read. An error of the model is an error of the
// evaluation, never an answer; it names the probe ("bbh 17: ...") if it is about one. When `cancel`
// fires, its reason is returned.
absl::StatusOr<EvaluationSummary> Evaluate(
    const dataset::Dataset& data, const dataset::TargetInfo& target,
    absl::Span<const dataset::ProbeSet> sets, const EvaluateOptions& options, LanguageModel& model,
    const PredictionSink& sink, const ProgressCallback& progress, const CancelToken& cancel);

}  // namespace rwku::evaluate
