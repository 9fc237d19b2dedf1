#include "worker/engine/train/batches.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace rwku::engine {
namespace {

StepBatches StepOf(const std::vector<int>& sizes, bool retains) {
  StepBatches batches;
  int item = 0;
  for (const int size : sizes) {
    Batch& batch = batches.emplace_back();
    for (int i = 0; i < size; ++i, ++item) {
      batch.items.push_back(item);
      if (retains) {
        batch.retain.push_back(1000 + item);
      }
    }
  }
  return batches;
}

TEST(ShareOfTest, EveryItemIsOneRanksWithItsRetainTextAndInItsBatch) {
  Random random(7, "shares");
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<int> sizes;
    for (uint64_t i = random.Below(5) + 1; i > 0; --i) {
      sizes.push_back(static_cast<int>(random.Below(6)) + 1);
    }
    const bool retains = random.Below(2) == 1;
    const int ranks = static_cast<int>(random.Below(8)) + 1;
    const StepBatches whole = StepOf(sizes, retains);
    StepBatches together(whole.size());
    std::vector<size_t> counts;
    for (int rank = 0; rank < ranks; ++rank) {
      const StepBatches own = ShareOf(whole, rank, ranks);
      ASSERT_EQ(own.size(), whole.size());
      size_t& count = counts.emplace_back();
      for (size_t i = 0; i < own.size(); ++i) {
        count += own[i].items.size();
        ASSERT_EQ(own[i].retain.size(), retains ? own[i].items.size() : 0);
        for (size_t k = 0; k < own[i].retain.size(); ++k) {
          ASSERT_EQ(own[i].retain[k], 1000 + own[i].items[k]);
        }
        together[i].items.insert(together[i].items.end(), own[i].items.begin(), own[i].items.end());
      }
    }
    for (size_t i = 0; i < whole.size(); ++i) {
      std::sort(together[i].items.begin(), together[i].items.end());
      EXPECT_EQ(together[i].items, whole[i].items);
    }
    const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
    EXPECT_LE(*most - *least, 1U);
  }
}

TEST(ShareOfTest, MoreRanksThanABatchHasItemsShareTheBatchesOfTheStep) {
  const StepBatches whole = StepOf({2, 2, 2, 2}, false);
  for (int rank = 0; rank < 4; ++rank) {
    size_t items = 0;
    for (const Batch& own : ShareOf(whole, rank, 4)) {
      items += own.items.size();
    }
    EXPECT_EQ(items, 2U) << rank;
  }
}

}  // namespace
}  // namespace rwku::engine
