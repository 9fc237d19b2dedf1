#include "benchmark/metrics/membership.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"

#include "base/check.h"

namespace rwku::metrics {
namespace {

std::optional<double> Finite(double value) {
  return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

double Mean(absl::Span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// NaN behind every number, as numpy sorts.
bool SortsBefore(double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; }

// Appends `prefix`10 .. `prefix`100: means of the lowest shares of `values`.
void AppendLowestShares(absl::string_view prefix, std::vector<double> values,
                        std::vector<NamedValue>& scores) {
  std::sort(values.begin(), values.end(), SortsBefore);
  for (int tenths = 1; tenths <= 10; ++tenths) {
    // In double, as the reference: 70 % of 90 tokens are 62, for 90 * 0.7 is below 63.
    const double share = tenths / 10.0;
    const auto count = static_cast<size_t>(static_cast<double>(values.size()) * share);
    std::optional<double> score;
    if (count > 0) {
      score = Finite(Mean(absl::MakeConstSpan(values).subspan(0, count)));
    }
    scores.push_back({absl::StrCat(prefix, tenths * 10), score});
  }
}

}  // namespace

size_t CompressedLength(absl::string_view text) {
  uLongf length = compressBound(static_cast<uLong>(text.size()));
  std::vector<Bytef> compressed(length);
  const int result =
      compress2(compressed.data(), &length, reinterpret_cast<const Bytef*>(text.data()),
                static_cast<uLong>(text.size()), Z_DEFAULT_COMPRESSION);
  RWKU_CHECK(result == Z_OK);
  return length;
}

absl::StatusOr<std::vector<NamedValue>> MembershipScores(absl::string_view text,
                                                         absl::Span<const float> log_probabilities,
                                                         absl::Span<const float> means,
                                                         absl::Span<const float> variances) {
  const size_t tokens = log_probabilities.size();
  if (means.size() != tokens || variances.size() != tokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("token scores of a text: ", tokens, " log-probabilities, ", means.size(),
                     " means and ", variances.size(), " variances; all three must be as many"));
  }
  std::vector<double> values(log_probabilities.begin(), log_probabilities.end());
  std::vector<double> normalised(tokens);
  for (size_t i = 0; i < tokens; ++i) {
    normalised[i] =
        (values[i] - static_cast<double>(means[i])) / std::sqrt(static_cast<double>(variances[i]));
  }

  std::vector<NamedValue> scores;
  const std::optional<double> loss = tokens > 0 ? Finite(Mean(values)) : std::nullopt;
  scores.push_back({"loss", loss});
  scores.push_back(
      {"zlib", loss ? std::optional<double>(*loss / static_cast<double>(CompressedLength(text)))
                    : std::nullopt});
  AppendLowestShares("min_k_", std::move(values), scores);
  AppendLowestShares("min_k_plus_plus_", std::move(normalised), scores);
  return scores;
}

}  // namespace rwku::metrics
