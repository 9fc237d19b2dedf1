#include "worker/engine/decode/kv_ranges.h"

#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace rwku::engine {
namespace {

using testing::ElementsAre;

TEST(KvRangesTest, TheLowestFreeRangeThatIsLongEnoughIsTaken) {
  KvRanges ranges(100);
  EXPECT_EQ(ranges.Allocate(30), 0);
  EXPECT_EQ(ranges.Allocate(20), 30);
  EXPECT_EQ(ranges.Allocate(50), 50);
  ranges.Free(0);
  ranges.Free(50);
  EXPECT_EQ(ranges.Allocate(40), 50);
  EXPECT_EQ(ranges.Allocate(30), 0);
  EXPECT_EQ(ranges.in_use(), 90);
}

TEST(KvRangesTest, WhatIsFreeInPiecesIsNotARange) {
  KvRanges ranges(30);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(ranges.Allocate(10).has_value());
  }
  ranges.Free(0);
  ranges.Free(20);
  EXPECT_EQ(ranges.Allocate(20), std::nullopt);
  EXPECT_THAT(ranges.Compact(), ElementsAre(KvRanges::Move{10, 0, 10}));
  EXPECT_EQ(ranges.Allocate(20), 10);
}

// An array that is moved as an arena would be keeps what every range holds.
TEST(KvRangesTest, MovesInOrderKeepWhatEveryRangeHolds) {
  Random random(1, "ranges");
  constexpr int64_t kSize = 200;
  KvRanges ranges(kSize);
  std::vector<int> arena(kSize, -1);
  std::map<int64_t, std::pair<int64_t, int>> held;  // begin -> count and mark
  for (int mark = 0; mark < 2000; ++mark) {
    const auto count = static_cast<int64_t>(1 + random.Below(30));
    std::optional<int64_t> begin = ranges.Allocate(count);
    if (!begin && kSize - ranges.in_use() >= count) {
      std::map<int64_t, int64_t> moved;
      for (const KvRanges::Move& move : ranges.Compact()) {
        for (int64_t i = 0; i < move.count; ++i) {
          arena[move.to + i] = arena[move.from + i];
        }
        moved[move.from] = move.to;
      }
      std::map<int64_t, std::pair<int64_t, int>> now;
      for (const auto& [from, what] : held) {
        now[moved.contains(from) ? moved[from] : from] = what;
      }
      held = std::move(now);
      begin = ranges.Allocate(count);
      ASSERT_TRUE(begin.has_value());
    }
    if (begin) {
      std::fill_n(arena.begin() + *begin, count, mark);
      held[*begin] = {count, mark};
    } else {
      const auto victim =
          std::next(held.begin(), static_cast<ptrdiff_t>(random.Below(held.size())));
      ranges.Free(victim->first);
      held.erase(victim);
    }
    for (const auto& [from, what] : held) {
      for (int64_t i = 0; i < what.first; ++i) {
        ASSERT_EQ(arena[from + i], what.second);
      }
    }
  }
}

}  // namespace
}  // namespace rwku::engine
