#include "benchmark/metrics/auc.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace rwku::metrics {
namespace {

bool HasNan(absl::Span<const double> values) {
  return std::any_of(values.begin(), values.end(), [](double value) { return std::isnan(value); });
}

}  // namespace

std::optional<double> AreaUnderRoc(absl::Span<const double> positives,
                                   absl::Span<const double> negatives) {
  if (positives.empty() || negatives.empty() || HasNan(positives) || HasNan(negatives)) {
    return std::nullopt;
  }
  std::vector<double> sorted(negatives.begin(), negatives.end());
  std::sort(sorted.begin(), sorted.end());
  // Negatives below plus negatives not above: a pair won counts 2, a tie 1.
  int64_t half_wins = 0;
  for (const double positive : positives) {
    const auto [below, not_above] = std::equal_range(sorted.begin(), sorted.end(), positive);
    half_wins += (below - sorted.begin()) + (not_above - sorted.begin());
  }
  const double pairs =
      static_cast<double>(positives.size()) * static_cast<double>(negatives.size());
  return static_cast<double>(half_wins) / (2 * pairs);
}

}  // namespace rwku::metrics
