#include "base/random.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rwku {
namespace {

TEST(RandomTest, EqualSeedsGiveEqualStreams) {
  Random a(7, "x");
  Random b(7, "x");
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(a.Next(), b.Next());
  }
}

TEST(RandomTest, NamesGiveOtherStreams) { EXPECT_NE(Random(7, "x").Next(), Random(7, "y").Next()); }

TEST(RandomTest, StreamIsTheSameOnEveryMachine) {
  Random random(0);
  EXPECT_EQ(random.Next(), 0xE220A8397B1DCDAFULL);  // SplitMix64 with seed 0, first value
}

TEST(RandomTest, BelowStaysBelowAndReachesAll) {
  Random random(1);
  std::vector<int> seen(5);
  for (int i = 0; i < 1000; ++i) {
    ++seen[random.Below(5)];
  }
  EXPECT_THAT(seen, testing::Each(testing::Gt(150)));
}

TEST(RandomTest, NormalHasMeanZeroAndVarianceOne) {
  Random random(3);
  double sum = 0;
  double squares = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.Normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.03);
  EXPECT_NEAR(squares / kDraws, 1, 0.05);
}

TEST(EpochOrderTest, IsAPermutationThatChangesWithTheEpoch) {
  std::vector<int> first = EpochOrder(42, 0, 50);
  const std::vector<int> second = EpochOrder(42, 1, 50);
  EXPECT_NE(first, second);
  EXPECT_EQ(first, EpochOrder(42, 0, 50));
  std::sort(first.begin(), first.end());
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(first[i], i);
  }
}

}  // namespace
}  // namespace rwku
