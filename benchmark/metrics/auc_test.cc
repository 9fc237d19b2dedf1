#include "benchmark/metrics/auc.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/random.h"

namespace rwku::metrics {
namespace {

using ::testing::DoubleEq;
using ::testing::Optional;

TEST(AucTest, SeparatedGroupsGiveOneOrZero) {
  EXPECT_THAT(Auc({3.0, 4.0}, {1.0, 2.0}), Optional(1.0));
  EXPECT_THAT(Auc({1.0, 2.0}, {3.0, 4.0}), Optional(0.0));
}

TEST(AucTest, TiesCountHalf) {
  EXPECT_THAT(Auc({1.0, 1.0}, {1.0}), Optional(0.5));
  EXPECT_THAT(Auc({1.0, 2.0}, {1.0, 0.0}), Optional(DoubleEq(3.5 / 4)));
}

TEST(AucTest, AnEmptyGroupHasNone) {
  EXPECT_EQ(Auc({}, {1.0}), std::nullopt);
  EXPECT_EQ(Auc({1.0}, {}), std::nullopt);
}

TEST(AucTest, EqualsTheCountOverAllPairs) {
  Random random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> positives(1 + random.Below(30));
    std::vector<double> negatives(1 + random.Below(30));
    for (double& value : positives) {
      value = static_cast<double>(random.Below(10));
    }
    for (double& value : negatives) {
      value = static_cast<double>(random.Below(9));
    }
    double above = 0;
    for (const double positive : positives) {
      for (const double negative : negatives) {
        above += positive > negative ? 1.0 : positive == negative ? 0.5 : 0.0;
      }
    }
    EXPECT_THAT(Auc(positives, negatives),
                Optional(DoubleEq(above / static_cast<double>(positives.size()) /
                                  static_cast<double>(negatives.size()))));
  }
}

}  // namespace
}  // namespace rwku::metrics
