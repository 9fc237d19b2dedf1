#include "benchmark/report/exact_sum.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

#include "base/random.h"

namespace rwku::report {
namespace {

double SumOf(const std::vector<double>& values) {
  ExactSum sum;
  for (const double value : values) {
    sum.Add(value);
  }
  return sum.Sum();
}

TEST(ExactSumTest, KeepsWhatDoublesLose) {
  EXPECT_EQ(SumOf({}), 0.0);
  EXPECT_EQ(SumOf({0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}), 1.0);
  EXPECT_EQ(SumOf({1e16, 1.0, -1e16}), 1.0);
  EXPECT_EQ(SumOf({1e100, 1.0, -1e100, 1e-100, -1.0}), 1e-100);
}

TEST(ExactSumTest, RoundsHalfWayCasesByWhatFollows) {
  // 2^53 + 1 lies half-way between two doubles.
  const double half_way = std::ldexp(1.0, 53);
  EXPECT_EQ(SumOf({half_way, 1.0}), half_way);
  EXPECT_EQ(SumOf({half_way, 1.0, 1e-30}), half_way + 2);
  EXPECT_EQ(SumOf({half_way, 1.0, -1e-30}), half_way);
}

TEST(ExactSumTest, TheOrderChangesNoBit) {
  Random random(7);
  std::vector<double> values(500);
  for (double& value : values) {
    value = random.Normal() * std::pow(10.0, static_cast<double>(random.Below(30)) - 15.0);
  }
  const double first = SumOf(values);
  for (int round = 0; round < 50; ++round) {
    random.Shuffle(values);
    ASSERT_EQ(SumOf(values), first);
  }
}

TEST(ExactSumTest, CountsItsTerms) {
  ExactSum sum;
  sum.Add(0.0);
  sum.Add(1.0);
  EXPECT_EQ(sum.count(), 2);
  EXPECT_EQ(sum.Mean(), 0.5);
}

}  // namespace
}  // namespace rwku::report
