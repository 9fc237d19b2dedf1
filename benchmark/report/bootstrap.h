// Percentile bootstrap of means over targets: targets, not probes, are what a run samples.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/types/span.h"

namespace rwku::report {

struct Interval {
  double low = 0;
  double high = 0;
};

struct BootstrapOptions {
  int resamples = 10000;
  uint64_t seed = 42;
};

// Makes 95 % intervals of means (Efron & Tibshirani 1993, chapter 13). What is drawn depends on the
// seed and the number of values only: columns of equal length share one table of indices, and
// equal data gives equal intervals on every machine. Keeps the tables of a few lengths. Not
// thread-safe.
class Bootstrap {
 public:
  explicit Bootstrap(BootstrapOptions options = {}) : options_(options) {}

  // For each column of per-target values, the 2.5th and 97.5th percentile (linear between order
  // statistics, as numpy) of the means of its resamples. A column holds only targets that have the
  // figure; with fewer than two there is no interval. Values are finite.
  std::vector<std::optional<Interval>> Intervals(const std::vector<std::vector<double>>& columns);

  // The same for one column.
  std::optional<Interval> MeanInterval(absl::Span<const double> values);

 private:
  // `resamples` runs of `count` indices below `count`, one after the other.
  const std::vector<uint32_t>& Indices(size_t count);

  BootstrapOptions options_;
  std::map<size_t, std::vector<uint32_t>> indices_;
};

}  // namespace rwku::report
