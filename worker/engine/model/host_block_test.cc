#include "worker/engine/model/host_block.h"

#include <cstdint>
#include <utility>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace rwku::engine {
namespace {

TEST(HostBlockTest, TensorsShareBlocksWithoutOverlap) {
  const std::vector<at::Tensor> like = {at::empty({3, 5}, at::kFloat),
                                        at::empty({7}, at::kBFloat16), at::empty({40}, at::kFloat),
                                        at::empty({1, 1}, at::kHalf), at::empty({100}, at::kFloat)};
  const std::vector<at::Tensor> placed = EmptyInBlocks(like, /*block_bytes=*/256, /*pinned=*/false);
  ASSERT_EQ(placed.size(), like.size());
  std::vector<std::pair<uintptr_t, uintptr_t>> ranges;
  for (size_t i = 0; i < like.size(); ++i) {
    EXPECT_EQ(placed[i].sizes(), like[i].sizes());
    EXPECT_EQ(placed[i].scalar_type(), like[i].scalar_type());
    EXPECT_TRUE(placed[i].is_contiguous());
    const auto begin = reinterpret_cast<uintptr_t>(placed[i].const_data_ptr());
    EXPECT_EQ(begin % 16, 0U);
    for (const auto& [other_begin, other_end] : ranges) {
      EXPECT_TRUE(begin + placed[i].nbytes() <= other_begin || begin >= other_end);
    }
    ranges.emplace_back(begin, begin + placed[i].nbytes());
  }
  // The largest takes 400 bytes, so does a block: the first four lie in one of them.
  for (size_t i = 1; i < 4; ++i) {
    EXPECT_TRUE(placed[i].storage().is_alias_of(placed[0].storage())) << i;
  }
  EXPECT_FALSE(placed[4].storage().is_alias_of(placed[0].storage()));
}

TEST(HostBlockTest, CopiesOfManyPiecesConvert) {
  const std::vector<at::Tensor> from = {at::randn({3, 1 << 20}).to(at::kBFloat16),
                                        at::arange(5, at::kFloat)};
  const std::vector<at::Tensor> to = {at::empty({3, 1 << 20}, at::kFloat),
                                      at::empty({5}, at::kFloat)};
  CopyInParallel(from, to);
  EXPECT_TRUE(at::equal(to[0], from[0].to(at::kFloat)));
  EXPECT_TRUE(at::equal(to[1], from[1]));
}

}  // namespace
}  // namespace rwku::engine
