// Seeded randomness that is the same on every machine and never depends on call order elsewhere.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace rwku {

// Counter-based generator (SplitMix64 finaliser over key and counter; Steele et al., OOPSLA 2014).
// Equal keys give equal streams. Not for cryptography. Not thread-safe: one object a thread.
class Random {
 public:
  explicit Random(uint64_t seed) : key_(seed) {}
  // A stream of its own for (seed, name): independent of every other name's stream.
  Random(uint64_t seed, absl::string_view name);

  uint64_t Next();
  // Uniform in [0, bound); bound > 0. Unbiased (rejection).
  uint64_t Below(uint64_t bound);
  // Uniform in [0, 1) with 53 bits.
  double Uniform();
  // Standard normal (Box-Muller, one value a call).
  double Normal();

  // Fisher-Yates.
  template <typename T>
  void Shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) {
      std::swap(items[i - 1], items[Below(i)]);
    }
  }
  template <typename T>
  const T& Pick(const std::vector<T>& items) {
    return items[Below(items.size())];
  }

 private:
  uint64_t key_;
  uint64_t counter_ = 0;
};

// 0..count-1 in the order in which epoch `epoch` (from 0) of a training with `seed` visits its
// examples.
std::vector<int> EpochOrder(uint64_t seed, int epoch, int count);

}  // namespace rwku
