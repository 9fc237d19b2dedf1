#include "worker/engine/decode/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace rwku::engine {
namespace {

// Whether token `a` comes after token `b`.
struct ComesLater {
  absl::Span<const float> logits;

  bool operator()(int32_t a, int32_t b) const {
    const float x = logits[static_cast<size_t>(a)];
    const float y = logits[static_cast<size_t>(b)];
    return x < y || (x == y && a > b);
  }
};

// Hands out the likeliest tokens one by one; few of a large vocabulary are ever asked for, so they
// lie in a heap instead of being sorted.
class LikeliestFirst {
 public:
  explicit LikeliestFirst(absl::Span<const float> logits)
      : comes_later_{logits}, heap_(logits.size()) {
    std::iota(heap_.begin(), heap_.end(), 0);
    std::make_heap(heap_.begin(), heap_.end(), comes_later_);
  }

  bool empty() const { return heap_.empty(); }
  int32_t Take() {
    std::pop_heap(heap_.begin(), heap_.end(), comes_later_);
    const int32_t token = heap_.back();
    heap_.pop_back();
    return token;
  }

 private:
  const ComesLater comes_later_;
  std::vector<int32_t> heap_;
};

}  // namespace

int32_t SampleToken(absl::Span<const float> logits, double temperature, double top_p, double draw) {
  if (logits.empty() ||
      std::any_of(logits.begin(), logits.end(), [](float logit) { return std::isnan(logit); })) {
    return -1;
  }
  const double largest = *std::max_element(logits.begin(), logits.end());
  if (!std::isfinite(largest)) {
    return -1;
  }
  const auto weight = [&](float logit) {
    return std::exp((static_cast<double>(logit) - largest) / temperature);
  };
  double all = 0;
  for (const float logit : logits) {
    all += weight(logit);
  }
  LikeliestFirst likeliest(logits);
  std::vector<int32_t> tokens;
  std::vector<double> sums;  // of the weights up to and with each token
  const auto take = [&] {
    tokens.push_back(likeliest.Take());
    sums.push_back((sums.empty() ? 0 : sums.back()) +
                   weight(logits[static_cast<size_t>(tokens.back())]));
  };
  double kept = all;
  if (top_p < 1) {
    do {
      take();
    } while (sums.back() < top_p * all && !likeliest.empty());
    kept = sums.back();
  } else {
    take();
  }
  const double wanted = draw * kept;
  size_t i = 0;
  while (sums[i] <= wanted) {
    if (i + 1 == sums.size()) {
      if (top_p < 1 || likeliest.empty()) {
        break;
      }
      take();
      if (sums.back() == sums[i]) {
        break;  // what is left weighs nothing beside what is taken
      }
    }
    ++i;
  }
  return tokens[i];
}

}  // namespace rwku::engine
