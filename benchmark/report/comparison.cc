#include "benchmark/report/comparison.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "absl/strings/string_view.h"

#include "base/check.h"
#include "base/random.h"

namespace rwku::report {
namespace {

constexpr size_t kMostExact = 14;       // differences whose sign patterns are all tried
constexpr double kZ975 = 1.9599639845;  // standard normal quantiles
constexpr double kZ80 = 0.8416212336;
// Sums of the same terms in another order differ in their last bits: ties must not.
constexpr double kTieTolerance = 1e-12;

double SumOf(absl::Span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

double MeanOf(absl::Span<const double> values) {
  return SumOf(values) / static_cast<double>(values.size());
}

// The figures of a per-target table's column, by target.
std::map<absl::string_view, double> ByTarget(const ReportTable& table, size_t column) {
  std::map<absl::string_view, double> values;
  for (const ReportRow& row : table.rows) {
    if (row.cells[column].value) {
      values.emplace(row.label, *row.cells[column].value);
    }
  }
  return values;
}

}  // namespace

std::optional<double> SignFlipPValue(absl::Span<const double> differences, int permutations,
                                     uint64_t seed) {
  if (differences.empty()) {
    return std::nullopt;
  }
  double magnitude = 0;
  for (const double difference : differences) {
    magnitude += std::abs(difference);
  }
  const double observed = std::abs(SumOf(differences)) - kTieTolerance * magnitude;
  const size_t count = differences.size();
  if (count <= kMostExact) {
    const uint32_t patterns = uint32_t{1} << count;
    uint32_t hits = 0;
    for (uint32_t pattern = 0; pattern < patterns; ++pattern) {
      double sum = 0;
      for (size_t i = 0; i < count; ++i) {
        sum += ((pattern >> i) & 1) != 0 ? -differences[i] : differences[i];
      }
      hits += std::abs(sum) >= observed ? 1 : 0;
    }
    return static_cast<double>(hits) / static_cast<double>(patterns);
  }
  RWKU_CHECK(permutations > 0);
  Random random(seed, "sign flips");
  constexpr size_t kBits = 64;
  int hits = 0;
  for (int draw = 0; draw < permutations; ++draw) {
    double sum = 0;
    uint64_t signs = 0;
    for (size_t i = 0; i < count; ++i) {
      if (i % kBits == 0) {
        signs = random.Next();
      }
      sum += (signs & 1) != 0 ? -differences[i] : differences[i];
      signs >>= 1;
    }
    hits += std::abs(sum) >= observed ? 1 : 0;
  }
  return (1.0 + hits) / (1.0 + permutations);
}

std::vector<std::optional<double>> HolmAdjusted(absl::Span<const std::optional<double>> p_values) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p_values.size(); ++i) {
    if (p_values[i]) {
      order.push_back(i);
    }
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return *p_values[a] < *p_values[b]; });
  std::vector<std::optional<double>> adjusted(p_values.size());
  double largest = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const double scaled = *p_values[order[rank]] * static_cast<double>(order.size() - rank);
    largest = std::max(largest, std::min(1.0, scaled));
    adjusted[order[rank]] = largest;
  }
  return adjusted;
}

std::optional<double> MinimumDetectableEffect(absl::Span<const double> differences) {
  if (differences.size() < 2) {
    return std::nullopt;
  }
  const double mean = MeanOf(differences);
  double squares = 0;
  for (const double difference : differences) {
    squares += (difference - mean) * (difference - mean);
  }
  const auto count = static_cast<double>(differences.size());
  return (kZ975 + kZ80) * std::sqrt(squares / (count - 1) / count);
}

Comparison Compare(const ReportTable& first, const ReportTable& second,
                   const ComparisonOptions& options) {
  Comparison comparison{first.title, second.title, first.columns, {}};
  std::vector<std::vector<double>> differences(first.columns.size());
  std::vector<std::optional<double>> p_values(first.columns.size());
  for (size_t column = 0; column < first.columns.size(); ++column) {
    ComparisonCell& cell = comparison.cells.emplace_back();
    const std::optional<size_t> other = FindColumn(second, first.columns[column].key);
    if (!other) {
      continue;
    }
    const std::map<absl::string_view, double> before = ByTarget(first, column);
    const std::map<absl::string_view, double> after = ByTarget(second, *other);
    std::vector<double> shared_before;
    std::vector<double> shared_after;
    for (const auto& [target, value] : before) {
      const auto found = after.find(target);
      if (found != after.end()) {
        shared_before.push_back(value);
        shared_after.push_back(found->second);
        differences[column].push_back(found->second - value);
      }
    }
    cell.targets = static_cast<int>(shared_before.size());
    if (cell.targets == 0) {
      continue;
    }
    cell.first = MeanOf(shared_before);
    cell.second = MeanOf(shared_after);
    cell.difference = MeanOf(differences[column]);
    cell.detectable = MinimumDetectableEffect(differences[column]);
    cell.p = SignFlipPValue(differences[column], options.permutations, options.bootstrap.seed);
    p_values[column] = cell.p;
  }
  const std::vector<std::optional<double>> adjusted = HolmAdjusted(p_values);
  const std::vector<std::optional<Interval>> intervals =
      Bootstrap(options.bootstrap).Intervals(differences);
  for (size_t column = 0; column < first.columns.size(); ++column) {
    ComparisonCell& cell = comparison.cells[column];
    cell.p_adjusted = adjusted[column];
    if (intervals[column]) {
      cell.low = intervals[column]->low;
      cell.high = intervals[column]->high;
    }
  }
  return comparison;
}

}  // namespace rwku::report
