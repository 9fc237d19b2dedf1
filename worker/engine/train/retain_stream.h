// The order in which retain texts join the batches.
#pragma once

#include <cstdint>
#include <vector>

namespace rwku::engine {

// Endless: round r visits the texts in EpochOrder(Random(seed, "retain").Next(), r, count).
class RetainStream {
 public:
  // `count` is at least 1.
  RetainStream(uint64_t seed, int count);

  // The next `count` texts.
  std::vector<int> Take(int count);

 private:
  const uint64_t seed_;
  const int count_;
  int round_ = 0;
  std::vector<int> order_;  // what is left of the round, reversed
};

}  // namespace rwku::engine
