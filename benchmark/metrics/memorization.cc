#include "benchmark/metrics/memorization.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace rwku::metrics {
namespace {

double Share(std::ptrdiff_t part, size_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::optional<double> AnswerProbability(absl::Span<const float> log_probabilities) {
  if (log_probabilities.empty()) {
    return std::nullopt;
  }
  const double sum = std::accumulate(log_probabilities.begin(), log_probabilities.end(), 0.0);
  const double probability = std::exp(sum / static_cast<double>(log_probabilities.size()));
  return std::isnan(probability) ? std::nullopt : std::optional<double>(probability);
}

std::optional<double> ExactMemorization(const std::vector<bool>& is_most_likely) {
  if (is_most_likely.empty()) {
    return std::nullopt;
  }
  return Share(std::count(is_most_likely.begin(), is_most_likely.end(), true),
               is_most_likely.size());
}

std::optional<double> ExtractionStrength(const std::vector<bool>& is_most_likely) {
  if (is_most_likely.empty()) {
    return std::nullopt;
  }
  const auto last_miss = std::find(is_most_likely.rbegin(), is_most_likely.rend(), false);
  const std::ptrdiff_t given = is_most_likely.rend() - last_miss;
  return 1.0 - Share(given, is_most_likely.size());
}

}  // namespace rwku::metrics
