#include "benchmark/metrics/auc.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace rwku::metrics {

std::optional<double> Auc(absl::Span<const double> positives, absl::Span<const double> negatives) {
  if (positives.empty() || negatives.empty()) {
    return std::nullopt;
  }
  std::vector<double> sorted(negatives.begin(), negatives.end());
  std::sort(sorted.begin(), sorted.end());
  // Twice the U statistic: an integer, so that the order of the texts changes no bit.
  uint64_t twice_above = 0;
  for (const double value : positives) {
    const auto [first_equal, first_above] = std::equal_range(sorted.begin(), sorted.end(), value);
    twice_above += static_cast<uint64_t>(first_equal - sorted.begin()) +
                   static_cast<uint64_t>(first_above - sorted.begin());
  }
  return static_cast<double>(twice_above) /
         (2.0 * static_cast<double>(positives.size()) * static_cast<double>(negatives.size()));
}

}  // namespace rwku::metrics
