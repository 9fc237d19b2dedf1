#include "benchmark/metrics/multiple_choice.h"

#include <algorithm>
#include <cmath>

namespace rwku::metrics {
namespace {

bool HasNan(absl::Span<const ScoredChoice> choices) {
  return std::any_of(choices.begin(), choices.end(),
                     [](const ScoredChoice& choice) { return std::isnan(choice.log_probability); });
}

}  // namespace

std::optional<double> Mc1(absl::Span<const ScoredChoice> choices) {
  std::optional<double> first_true;
  std::optional<double> best_false;
  for (const auto& [log_probability, is_true] : choices) {
    if (!is_true) {
      best_false = std::max(best_false.value_or(log_probability), log_probability);
    } else if (!first_true) {
      first_true = log_probability;
    }
  }
  if (!first_true || !best_false || HasNan(choices)) {
    return std::nullopt;
  }
  return *first_true > *best_false ? 1.0 : 0.0;
}

std::optional<double> Mc2(absl::Span<const ScoredChoice> choices) {
  if (choices.empty() || HasNan(choices)) {
    return std::nullopt;
  }
  const double largest = std::max_element(choices.begin(), choices.end(),
                                          [](const ScoredChoice& a, const ScoredChoice& b) {
                                            return a.log_probability < b.log_probability;
                                          })
                             ->log_probability;
  if (!std::isfinite(largest)) {
    return std::nullopt;
  }
  double on_true = 0;
  double on_all = 0;
  for (const auto& [log_probability, is_true] : choices) {
    const double relative = std::exp(log_probability - largest);
    on_all += relative;
    on_true += is_true ? relative : 0.0;
  }
  return on_true / on_all;
}

std::optional<size_t> MostLikelyChoice(absl::Span<const double> log_probabilities) {
  if (log_probabilities.empty() || std::any_of(log_probabilities.begin(), log_probabilities.end(),
                                               [](double value) { return std::isnan(value); })) {
    return std::nullopt;
  }
  return std::max_element(log_probabilities.begin(), log_probabilities.end()) -
         log_probabilities.begin();
}

}  // namespace rwku::metrics
