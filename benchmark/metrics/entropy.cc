#include "benchmark/metrics/entropy.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace rwku::metrics {
namespace {

// In bits, of the relative frequencies of the n-grams of `tokens`.
double Entropy(absl::Span<const std::string> tokens, size_t n) {
  if (tokens.size() < n) {
    return 0.0;
  }
  const size_t ngrams = tokens.size() - n + 1;
  absl::flat_hash_map<absl::Span<const std::string>, size_t> positions;
  // Summed in the order of first appearance: that of a hash map changes from run to run, and with
  // it the last bits.
  std::vector<int64_t> counts;
  for (size_t i = 0; i < ngrams; ++i) {
    const auto [found, is_new] = positions.try_emplace(tokens.subspan(i, n), counts.size());
    if (is_new) {
      counts.push_back(0);
    }
    ++counts[found->second];
  }
  double nats = 0;
  for (const int64_t count : counts) {
    const double frequency = static_cast<double>(count) / static_cast<double>(ngrams);
    nats -= frequency * std::log(frequency);
  }
  return nats / std::log(2.0);
}

}  // namespace

double NgramEntropy(absl::Span<const std::string> tokens) {
  return (Entropy(tokens, 2) * (2.0 / 3.0) + Entropy(tokens, 3) * (4.0 / 3.0)) / 2.0;
}

}  // namespace rwku::metrics
