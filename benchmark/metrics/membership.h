// The membership inference scores of one text: LOSS, Zlib, Min-K% and Min-K%++.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rwku::metrics {

struct NamedValue {
  std::string name;
  std::optional<double> value;  // nullopt: could not be computed
};

// Length in bytes of `text` compressed as Python's zlib.compress does at its default level (6),
// header and checksum included.
size_t CompressedLength(absl::string_view text);

// The scores of a text of n + 1 tokens, given n entries a token after the first: natural
// log-probability of the token, and mean and variance of the log-probability under the model's own
// next-token distribution. A larger score says "more likely seen in training". In this order:
//
//   loss                        mean of the log-probabilities, that is, minus the mean negative
//                               log-likelihood (the paper prints -100 x this)
//   zlib                        loss / CompressedLength(text)
//   min_k_10 .. 100             mean of the k % lowest log-probabilities
//   min_k_plus_plus_10 .. 100   the same over (log-probability - mean) / sqrt(variance)
//
// k % of n tokens are int(n * k) tokens in double arithmetic, k = 0.1, 0.2 .. 1.0, as the reference
// counts them. Sums are in double. A variance of zero or below makes a token's ++ value infinite or
// NaN; as in the reference it takes part, and NaN sorts behind every number. A score that is not
// finite, or of zero tokens, is missing.
//
// INVALID_ARGUMENT where the three spans differ in length.
absl::StatusOr<std::vector<NamedValue>> MembershipScores(absl::string_view text,
                                                         absl::Span<const float> log_probabilities,
                                                         absl::Span<const float> means,
                                                         absl::Span<const float> variances);

}  // namespace rwku::metrics
