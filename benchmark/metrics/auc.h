// Area under the ROC curve of a score that should tell two groups of texts apart.
#pragma once

#include <optional>

#include "absl/types/span.h"

namespace rwku::metrics {

// The probability that a random positive scores above a random negative, ties counted half
// (Mann-Whitney U over the number of pairs); in [0, 1], 0.5 = no difference. nullopt if either
// group is empty. Values are finite; their order does not matter.
std::optional<double> Auc(absl::Span<const double> positives, absl::Span<const double> negatives);

}  // namespace rwku::metrics
