// Drives a model through one target's probes and says how it answered.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
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
  // As in GenerateOptions.
  bool single_bos = false;
};

// Takes the finished predictions of one probe set, in the order of its file. An error ends the
// evaluation with that error.
using PredictionSink = std::function<absl::Status(std::vector<Prediction> predictions)>;

// The probe sets that Evaluate knows: forget_level1..3, neighbor_level1..2, forget_mia, retain_mia.
const std::vector<dataset::ProbeSet>& SupportedProbeSets();

// Asks `model` every probe of `sets` (each at most once) of `target` and gives the predictions to
// `sink`: first the question sets, then the membership sets, each in the order of `sets`.
//
// Questions are scored with rouge_l_recall (metrics/rouge.h; a blank output counts as "NOANSWER"
// and stays blank in the prediction), texts with the scores of metrics/membership.h, over the whole
// text that the model saw, an ICU prefix included. Predictions do not depend on which other sets
// are asked for.
//
// `progress` (may be null) counts probes over all sets. Everything is read and checked before the
// model is asked: UNIMPLEMENTED names a set that is not supported, INVALID_ARGUMENT and NOT_FOUND
// the file of a set that cannot be read. An error of the model is an error of the evaluation, never
// an answer; when `cancel` fires, its reason is returned.
absl::Status Evaluate(const dataset::Dataset& data, const dataset::TargetInfo& target,
                      absl::Span<const dataset::ProbeSet> sets, const EvaluateOptions& options,
                      LanguageModel& model, const PredictionSink& sink,
                      const ProgressCallback& progress, const CancelToken& cancel);

}  // namespace rwku::evaluate
