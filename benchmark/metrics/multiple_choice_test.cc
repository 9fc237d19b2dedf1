#include "benchmark/metrics/multiple_choice.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rwku::metrics {
namespace {

using ::testing::DoubleNear;
using ::testing::Optional;

using Choices = std::vector<ScoredChoice>;
using Values = std::vector<double>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Mc1Test, TheFirstTrueChoiceMustBeatEveryFalseOne) {
  EXPECT_THAT(Mc1(Choices{{-3, false}, {-1, true}, {-2, false}}), Optional(1.0));
  EXPECT_THAT(Mc1(Choices{{-2, true}, {-1, false}}), Optional(0.0));
  EXPECT_THAT(Mc1(Choices{{-2, true}, {-2, false}}), Optional(0.0));
}

TEST(Mc1Test, LaterTrueChoicesDoNotCount) {
  EXPECT_THAT(Mc1(Choices{{-5, true}, {-1, true}, {-2, false}}), Optional(0.0));
}

TEST(Mc1Test, NeedsATrueAndAFalseChoice) {
  EXPECT_EQ(Mc1(Choices{{-1, true}}), std::nullopt);
  EXPECT_EQ(Mc1(Choices{{-1, false}}), std::nullopt);
  EXPECT_EQ(Mc1(Choices{}), std::nullopt);
  EXPECT_EQ(Mc1(Choices{{-1, true}, {-2, false}, {kNan, false}}), std::nullopt);
}

TEST(Mc2Test, IsTheShareOfProbabilityOnTrueChoices) {
  EXPECT_THAT(Mc2(Choices{{std::log(0.1), true}, {std::log(0.2), false}, {std::log(0.5), true}}),
              Optional(DoubleNear(0.75, 1e-12)));
  EXPECT_THAT(Mc2(Choices{{-1, false}}), Optional(0.0));
  EXPECT_THAT(Mc2(Choices{{-1, true}}), Optional(1.0));
}

TEST(Mc2Test, SurvivesProbabilitiesBelowTheSmallestDouble) {
  EXPECT_THAT(Mc2(Choices{{-2000, true}, {-2000 - std::log(3.0), false}}),
              Optional(DoubleNear(0.75, 1e-12)));
  EXPECT_THAT(Mc2(Choices{{-kInfinity, true}, {-1, false}}), Optional(0.0));
}

TEST(Mc2Test, IsMissingWhereNothingHasAProbability) {
  EXPECT_EQ(Mc2(Choices{}), std::nullopt);
  EXPECT_EQ(Mc2(Choices{{-kInfinity, true}, {-kInfinity, false}}), std::nullopt);
  EXPECT_EQ(Mc2(Choices{{-1, true}, {kNan, false}}), std::nullopt);
}

TEST(MostLikelyChoiceTest, TakesTheFirstAmongEquals) {
  EXPECT_THAT(MostLikelyChoice(Values{-3, -1, -1, -2}), Optional(1));
  EXPECT_THAT(MostLikelyChoice(Values{-kInfinity, -kInfinity}), Optional(0));
}

TEST(MostLikelyChoiceTest, IsMissingWithoutChoicesOrWithANan) {
  EXPECT_EQ(MostLikelyChoice(Values{}), std::nullopt);
  EXPECT_EQ(MostLikelyChoice(Values{-1, kNan}), std::nullopt);
}

}  // namespace
}  // namespace rwku::metrics
