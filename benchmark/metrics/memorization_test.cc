#include "benchmark/metrics/memorization.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rwku::metrics {
namespace {

using ::testing::DoubleNear;
using ::testing::Optional;

using LogProbabilities = std::vector<float>;

TEST(AnswerProbabilityTest, IsTheGeometricMeanOfTheTokens) {
  EXPECT_THAT(AnswerProbability(LogProbabilities{-1, -3}),
              Optional(DoubleNear(std::exp(-2), 1e-12)));
  EXPECT_THAT(AnswerProbability(LogProbabilities{0, 0}), Optional(1.0));
}

TEST(AnswerProbabilityTest, AnImpossibleTokenMakesItZero) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(AnswerProbability(LogProbabilities{-1, -infinity}), Optional(0.0));
}

TEST(AnswerProbabilityTest, IsMissingWithANan) {
  EXPECT_EQ(AnswerProbability(LogProbabilities{-1, std::nanf("")}), std::nullopt);
}

TEST(ExactMemorizationTest, IsTheShareOfMostLikelyTokens) {
  EXPECT_THAT(ExactMemorization({true, false, true, true}), Optional(0.75));
  EXPECT_THAT(ExactMemorization({false}), Optional(0.0));
}

TEST(ExtractionStrengthTest, CountsTheTokensThatFollowByThemselves) {
  EXPECT_THAT(ExtractionStrength({true, true, true, true}), Optional(1.0));
  EXPECT_THAT(ExtractionStrength({true, false, true, true}), Optional(0.5));
  EXPECT_THAT(ExtractionStrength({false, false, false, true}), Optional(0.25));
}

TEST(ExtractionStrengthTest, IsZeroWhereTheLastTokenFails) {
  EXPECT_THAT(ExtractionStrength({true, true, true, false}), Optional(0.0));
  EXPECT_THAT(ExtractionStrength({false}), Optional(0.0));
}

TEST(MemorizationTest, AnAnswerWithoutTokensHasNoScores) {
  EXPECT_EQ(AnswerProbability({}), std::nullopt);
  EXPECT_EQ(ExactMemorization({}), std::nullopt);
  EXPECT_EQ(ExtractionStrength({}), std::nullopt);
}

}  // namespace
}  // namespace rwku::metrics
