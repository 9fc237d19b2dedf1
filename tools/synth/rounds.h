// Even exposure: a list in random order, over and over.
#pragma once

#include <utility>
#include <vector>

#include "base/random.h"

namespace rwku::synth {

// Every item comes once before any comes again; each round has an order of its own. Not
// thread-safe.
template <typename T>
class Rounds {
 public:
  // `items` must not be empty.
  explicit Rounds(std::vector<T> items) : items_(std::move(items)), next_(items_.size()) {}

  const T& Next(Random& random) {
    if (next_ == items_.size()) {
      random.Shuffle(items_);
      next_ = 0;
    }
    return items_[next_++];
  }

 private:
  std::vector<T> items_;
  size_t next_;
};

}  // namespace rwku::synth
