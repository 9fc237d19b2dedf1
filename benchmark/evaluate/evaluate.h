// Drives a model through one target's probes and says how it answered.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/dataset/dataset.h"
#include "benchmark/dataset/probe_set.h"
#include "benchmark/evaluate/language_model.h"
#include "benchmark/evaluate/prediction.h"
#include "benchmark/evaluate/probe_plan.h"
#include "benchmark/metrics/word_tokenize.h"

namespace rwku::evaluate {

struct EvaluateOptions {
  // With a name, every user turn and every membership text begins with protocol::IcuPrefix of it.
  std::string icu_subject;
  // As in PromptOptions.
  bool single_bos = false;
  // Answers to questions of the forget and neighbor levels end at their first line break. The
  // reference means to stop there and never does (its stop strings are no tokens).
  bool stop_at_newline = false;
};

// Takes the finished predictions of one probe set, in the order of its file. An error ends the
// evaluation with that error.
using PredictionSink = std::function<absl::Status(std::vector<Prediction> predictions)>;

struct EvaluationSummary {
  Usage usage;                 // tokens of this evaluation
  std::string word_tokenizer;  // that fluency was measured with: "punkt" or "fallback"
};

// The evaluation of one target: prepared before the model is changed, so that bad data costs no
// training.
//
//   RWKU_ASSIGN_OR_RETURN(Evaluation evaluation, Evaluation::Prepare(data, target, sets, ...));
//   RWKU_ASSIGN_OR_RETURN(auto summary, std::move(evaluation).Run(model, sink, ...));
//
// A copy can be run again, e.g. after every epoch.
class Evaluation {
 public:
  // Reads and checks the probes of `sets`, each at most once: INVALID_ARGUMENT names a set that is
  // asked for twice, INVALID_ARGUMENT and NOT_FOUND the file and record of what cannot be read.
  static absl::StatusOr<Evaluation> Prepare(const dataset::Dataset& data,
                                            const dataset::TargetInfo& target,
                                            absl::Span<const dataset::ProbeSet> sets,
                                            const EvaluateOptions& options,
                                            const CancelToken& cancel);

  // Asks `model` every probe, scores what it did (see score_prediction.h) and gives the predictions
  // to `sink`, set by set in the order of Prepare's. One call asks all sets, so that the engine can
  // fill its batches and share prefixes. Predictions do not depend on which other sets are asked
  // for. `progress` (may be null) counts requests over all sets.
  //
  // An error of the model is an error of the evaluation, never an answer; it names the probe
  // ("bbh 17: ...") if it is about one. When `cancel` fires, its reason is returned.
  absl::StatusOr<EvaluationSummary> Run(LanguageModel& model, const PredictionSink& sink,
                                        const ProgressCallback& progress,
                                        const CancelToken& cancel) &&;

  // What `progress` counts up to.
  size_t request_count() const { return plan_.request_count(); }

 private:
  Evaluation(ProbePlan plan, metrics::WordTokenizer words, std::string text_prefix,
             EvaluateOptions options)
      : plan_(std::move(plan)),
        words_(std::move(words)),
        text_prefix_(std::move(text_prefix)),
        options_(std::move(options)) {}

  ProbePlan plan_;
  metrics::WordTokenizer words_;
  std::string text_prefix_;
  EvaluateOptions options_;
};

}  // namespace rwku::evaluate
