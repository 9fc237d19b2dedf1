// From what the model did to scores: the only place that knows which metric belongs to which probe
// set. A pure function of the raw prediction, so that scores can be made anew without a model.
#pragma once

#include <string>

#include "absl/status/status.h"

#include "benchmark/evaluate/prediction.h"
#include "benchmark/metrics/word_tokenize.h"

namespace rwku::evaluate {

// Grows with every change that makes a score of the same prediction another one.
inline constexpr int kMetricsVersion = 1;

struct ScoringContext {
  // Splits fluency texts into words; not null, outlives the call.
  const metrics::WordTokenizer* words = nullptr;
  // What the model read before every membership text; scores are over the whole.
  std::string text_prefix;
};

// Replaces `prediction`'s scores, in this order:
//
//   forget and neighbor levels  rouge_l_recall (a blank output counts as NOANSWER), degenerate,
//                               answer_probability, exact_memorization, extraction_strength
//   forget_mia, retain_mia      those of metrics/membership.h
//   mmlu                        accuracy: 1 if the most likely choice is the correct one
//   bbh                         rea_reference, rea_em, degenerate
//   truthfulqa                  mc1, mc2
//   triviaqa                    exact_match, f1, degenerate
//   fluency                     ngram_entropy, degenerate
//
// degenerate is 1 for an output that metrics/degeneracy.h calls so. A score that cannot be computed
// has no value. INTERNAL where the raw parts do not fit each other.
absl::Status ScorePrediction(const ScoringContext& context, Prediction* prediction);

}  // namespace rwku::evaluate
