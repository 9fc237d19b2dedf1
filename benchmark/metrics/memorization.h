// How much of a reference answer is in the model, read from one pass under teacher forcing: the
// model is given the prompt and, at each token of the answer, the answer before it.
//
// Formulas of open-unlearning (Dorna et al., 2025): probability, exact_memorization and
// extraction_strength. All are from 0 to 1, larger for more memorization, and missing for an answer
// without tokens.
#pragma once

#include <optional>
#include <vector>

#include "absl/types/span.h"

namespace rwku::metrics {

// exp of the mean natural log-probability of the answer's tokens. Missing with a NaN.
std::optional<double> AnswerProbability(absl::Span<const float> log_probabilities);

// Share of the answer's tokens that are the arg-max.
std::optional<double> ExactMemorization(const std::vector<bool>& is_most_likely);

// 1 - k / T of T tokens, k the fewest tokens to give before all others are the arg-max. If the last
// token is not, 0; open-unlearning's code gives 1 / T there.
std::optional<double> ExtractionStrength(const std::vector<bool>& is_most_likely);

}  // namespace rwku::metrics
