// Two rows over the targets that both have: is the difference more than chance?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"

#include "benchmark/report/bootstrap.h"
#include "benchmark/report/report.h"

namespace rwku::report {

struct ComparisonOptions {
  BootstrapOptions bootstrap;
  int permutations = 10000;  // drawn where there are too many to try all
};

struct ComparisonCell {
  std::optional<double> first;       // mean over the shared targets
  std::optional<double> second;      // the same of the second row
  std::optional<double> difference;  // second - first
  std::optional<double> low;         // 95 % interval of the difference; none with one target
  std::optional<double> high;
  std::optional<double> p;           // two-sided, of the sign-flip permutation test
  std::optional<double> p_adjusted;  // by Holm, over the columns
  std::optional<double> detectable;  // smallest difference found with 80 % power
  int targets = 0;                   // that both rows have
};

struct Comparison {
  std::string first;   // label
  std::string second;  // label
  std::vector<ReportColumn> columns;
  std::vector<ComparisonCell> cells;  // one a column
};

// Compares two per-target tables (Report::targets; rows are targets, matched by label), column by
// column of `first`. A column takes in the targets that have a figure in both tables; a column
// without any is missing throughout. The order of targets changes no bit.
Comparison Compare(const ReportTable& first, const ReportTable& second,
                   const ComparisonOptions& options = {});

// Two-sided p-value of the mean of paired differences under random flips of their signs: over all
// 2^n patterns where 2^n <= 2^14, else from `permutations` draws as (1 + hits) / (1 + draws)
// (Phipson & Smyth 2010). A pattern hits where its mean is at least as far from 0 as the observed
// one. nullopt without differences; 1 for one.
std::optional<double> SignFlipPValue(absl::Span<const double> differences, int permutations,
                                     uint64_t seed);

// Holm's (1979) step-down adjustment; a missing p-value stays missing and is not counted.
std::vector<std::optional<double>> HolmAdjusted(absl::Span<const std::optional<double>> p_values);

// The smallest mean difference that a two-sided test at 5 % finds with 80 % power: (z_.975 + z_.80)
// times the standard error of the mean difference. nullopt for fewer than two differences.
std::optional<double> MinimumDetectableEffect(absl::Span<const double> differences);

}  // namespace rwku::report
