// How well a score tells two samples apart.
#pragma once

#include <optional>

#include "absl/types/span.h"

namespace rwku::metrics {

// Area under the ROC curve of a score that should be larger for `positives`: the share of pairs in
// which the positive one is larger, ties counting half (Mann-Whitney's U over the number of pairs).
// 1: all positives above all negatives; 0.5: not told apart. For membership the positives are the
// scores of the forget texts, the negatives those of the retain texts.
//
// Missing with an empty side or a NaN. O(n log n).
std::optional<double> AreaUnderRoc(absl::Span<const double> positives,
                                   absl::Span<const double> negatives);

}  // namespace rwku::metrics
