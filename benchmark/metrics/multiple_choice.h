// Scores of questions whose answers are ranked by the model: TruthfulQA's MC1 and MC2, MMLU's pick.
#pragma once

#include <optional>

#include "absl/types/span.h"

namespace rwku::metrics {

struct ScoredChoice {
  double log_probability = 0;  // natural, summed over the choice's tokens
  bool is_true = false;
};

// 1 if the first true choice is more likely than every false one, else 0; the other true choices do
// not count, as in the reference. Missing without a true or without a false choice, or with a NaN.
std::optional<double> Mc1(absl::Span<const ScoredChoice> choices);

// The true choices' share of the probability of all, from 0 to 1. The probabilities are taken
// relative to the largest: where the reference underflows to 0 / 0, this is still a number. Missing
// without choices, with a NaN, or where no choice has a probability.
std::optional<double> Mc2(absl::Span<const ScoredChoice> choices);

// Position of the largest log-probability, the first among equals (torch.argmax). Missing without
// choices or with a NaN.
std::optional<size_t> MostLikelyChoice(absl::Span<const double> log_probabilities);

}  // namespace rwku::metrics
