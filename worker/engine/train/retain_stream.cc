#include "worker/engine/train/retain_stream.h"

#include <algorithm>

#include "base/random.h"

namespace rwku::engine {

RetainStream::RetainStream(uint64_t seed, int count)
    : seed_(Random(seed, "retain").Next()), count_(count) {}

std::vector<int> RetainStream::Take(int count) {
  std::vector<int> taken;
  while (static_cast<int>(taken.size()) < count) {
    if (order_.empty()) {
      order_ = EpochOrder(seed_, round_++, count_);
      std::reverse(order_.begin(), order_.end());
    }
    taken.push_back(order_.back());
    order_.pop_back();
  }
  return taken;
}

}  // namespace rwku::engine
