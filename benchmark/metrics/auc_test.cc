#include "benchmark/metrics/auc.h"

#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rwku::metrics {
namespace {

using ::testing::Optional;

using Values = std::vector<double>;

TEST(AreaUnderRocTest, IsTheShareOfPairsInOrder) {
  EXPECT_THAT(AreaUnderRoc(Values{3, 4}, Values{1, 2}), Optional(1.0));
  EXPECT_THAT(AreaUnderRoc(Values{1, 2}, Values{3, 4}), Optional(0.0));
  EXPECT_THAT(AreaUnderRoc(Values{1, 4}, Values{3, 0}), Optional(0.75));
}

TEST(AreaUnderRocTest, TiesCountHalf) {
  EXPECT_THAT(AreaUnderRoc(Values{1, 1}, Values{1, 1, 1}), Optional(0.5));
  EXPECT_THAT(AreaUnderRoc(Values{1, 2}, Values{1, 1}), Optional(0.75));
}

TEST(AreaUnderRocTest, InfiniteScoresHaveTheirPlace) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_THAT(AreaUnderRoc(Values{infinity, -infinity}, Values{0, -infinity}), Optional(0.625));
}

TEST(AreaUnderRocTest, WithAnEmptySideOrANanItIsMissing) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(AreaUnderRoc(Values{}, Values{1}), std::nullopt);
  EXPECT_EQ(AreaUnderRoc(Values{1}, Values{}), std::nullopt);
  EXPECT_EQ(AreaUnderRoc(Values{1}, Values{nan}), std::nullopt);
  EXPECT_EQ(AreaUnderRoc(Values{nan, 2}, Values{1}), std::nullopt);
}

}  // namespace
}  // namespace rwku::metrics
