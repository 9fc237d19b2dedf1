#include "benchmark/report/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"

#include "base/random.h"

namespace rwku::report {
namespace {

std::vector<double> NormalValues(Random& random, size_t count) {
  std::vector<double> values(count);
  for (double& value : values) {
    value = 50 + 10 * random.Normal();
  }
  return values;
}

TEST(BootstrapTest, OneTargetGivesNoInterval) {
  Bootstrap bootstrap;
  EXPECT_FALSE(bootstrap.MeanInterval({}));
  EXPECT_FALSE(bootstrap.MeanInterval({3.0}));
  EXPECT_TRUE(bootstrap.MeanInterval({3.0, 4.0}));
}

TEST(BootstrapTest, EqualValuesGiveAPoint) {
  const std::optional<Interval> interval = Bootstrap().MeanInterval({7.5, 7.5, 7.5});
  ASSERT_TRUE(interval);
  EXPECT_EQ(interval->low, 7.5);
  EXPECT_EQ(interval->high, 7.5);
}

// Means of two values drawn with replacement are a, (a+b)/2, b with weights 1/4, 1/2, 1/4.
TEST(BootstrapTest, TwoTargetsReachFromOneToTheOther) {
  const std::optional<Interval> interval = Bootstrap().MeanInterval({10.0, 20.0});
  ASSERT_TRUE(interval);
  EXPECT_EQ(interval->low, 10.0);
  EXPECT_EQ(interval->high, 20.0);
}

// All 3^3 resamples of three values, in closed form: the quantiles lie on the cumulative weights
// 1/27 (all first) and 4/27 (two first, one second).
TEST(BootstrapTest, EqualsTheExactDistributionForThreeTargets) {
  const std::optional<Interval> interval =
      Bootstrap({.resamples = 40000, .seed = 5}).MeanInterval({0.0, 30.0, 300.0});
  ASSERT_TRUE(interval);
  EXPECT_EQ(interval->low, 0.0);     // 1/27 = 3.7 % of the resamples lie there
  EXPECT_EQ(interval->high, 300.0);  // and there
}

TEST(BootstrapTest, EqualDataGivesEqualIntervalsBesideOtherColumns) {
  Random random(3);
  const std::vector<double> column = NormalValues(random, 20);
  const std::optional<Interval> alone = Bootstrap().MeanInterval(column);
  std::vector<std::vector<double>> columns(11, NormalValues(random, 20));
  columns[4] = NormalValues(random, 19);
  columns[9] = column;
  const std::optional<Interval> beside = Bootstrap().Intervals(columns)[9];
  ASSERT_TRUE(alone && beside);
  EXPECT_EQ(alone->low, beside->low);
  EXPECT_EQ(alone->high, beside->high);
}

TEST(BootstrapTest, AnotherSeedDrawsOthers) {
  Random random(3);
  const std::vector<double> column = NormalValues(random, 20);
  EXPECT_NE(Bootstrap({.seed = 1}).MeanInterval(column)->low,
            Bootstrap({.seed = 2}).MeanInterval(column)->low);
}

TEST(BootstrapTest, ManyLengthsAreServedInAnyOrder) {
  Random random(3);
  const std::vector<double> column = NormalValues(random, 12);
  Bootstrap bootstrap;
  const std::optional<Interval> first = bootstrap.MeanInterval(column);
  for (size_t count = 2; count < 20; ++count) {
    bootstrap.MeanInterval(NormalValues(random, count));
  }
  EXPECT_EQ(bootstrap.MeanInterval(column)->low, first->low);
}

TEST(BootstrapTest, IsAsWideAsTheNormalIntervalForManyTargets) {
  Random random(11);
  const std::vector<double> column = NormalValues(random, 200);
  const double mean = std::accumulate(column.begin(), column.end(), 0.0) / 200;
  double squares = 0;
  for (const double value : column) {
    squares += (value - mean) * (value - mean);
  }
  const double half_width = 1.96 * std::sqrt(squares / 200 / 200);
  const std::optional<Interval> interval = Bootstrap().MeanInterval(column);
  ASSERT_TRUE(interval);
  EXPECT_NEAR(interval->low, mean - half_width, 0.05 * half_width);
  EXPECT_NEAR(interval->high, mean + half_width, 0.05 * half_width);
}

// The percentile interval of a mean of n normal values is z * sqrt((n-1)/n) standard errors wide
// where t would be right: at n = 30 it covers 93.6 % or so. 2,000 data sets have a standard error
// of 0.55 %.
TEST(BootstrapTest, CoversTheTrueMeanAsOftenAsItShould) {
  constexpr int kDataSets = 2000;
  Random random(20240930);
  Bootstrap bootstrap({.resamples = 1000, .seed = 42});
  std::vector<std::vector<double>> columns;
  columns.reserve(kDataSets);
  for (int i = 0; i < kDataSets; ++i) {
    columns.push_back(NormalValues(random, 30));
  }
  int covered = 0;
  for (const std::optional<Interval>& interval : bootstrap.Intervals(columns)) {
    covered += interval->low <= 50 && 50 <= interval->high ? 1 : 0;
  }
  EXPECT_GE(covered, kDataSets * 0.92);
  EXPECT_LE(covered, kDataSets * 0.955);
}

}  // namespace
}  // namespace rwku::report
