#include "benchmark/metrics/membership.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rwku::metrics {
namespace {

using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::Optional;

using Scores = std::map<std::string, std::optional<double>>;

Scores ScoresOf(absl::string_view text, const std::vector<float>& log_probabilities,
                const std::vector<float>& means, const std::vector<float>& variances) {
  const absl::StatusOr<std::vector<NamedValue>> scores =
      MembershipScores(text, log_probabilities, means, variances);
  EXPECT_TRUE(scores.ok()) << scores.status();
  Scores by_name;
  if (scores.ok()) {
    for (const NamedValue& score : *scores) {
      by_name[score.name] = score.value;
    }
  }
  return by_name;
}

TEST(MembershipScoresTest, NamesLossZlibAndTwentyShares) {
  const absl::StatusOr<std::vector<NamedValue>> scores =
      MembershipScores("a", {-1.0F}, {0.0F}, {1.0F});
  ASSERT_TRUE(scores.ok());
  ASSERT_EQ(scores->size(), 22);
  EXPECT_EQ(scores->at(0).name, "loss");
  EXPECT_EQ(scores->at(1).name, "zlib");
  EXPECT_EQ(scores->at(2).name, "min_k_10");
  EXPECT_EQ(scores->at(11).name, "min_k_100");
  EXPECT_EQ(scores->at(12).name, "min_k_plus_plus_10");
  EXPECT_EQ(scores->at(21).name, "min_k_plus_plus_100");
}

TEST(MembershipScoresTest, LossIsTheMeanLogProbability) {
  const Scores scores = ScoresOf("text", {-1.0F, -2.0F, -6.0F}, {0, 0, 0}, {1, 1, 1});
  EXPECT_THAT(scores.at("loss"), Optional(DoubleNear(-3.0, 1e-12)));
  EXPECT_THAT(scores.at("zlib"),
              Optional(DoubleNear(-3.0 / static_cast<double>(CompressedLength("text")), 1e-12)));
}

TEST(MembershipScoresTest, MinKTakesTheLowestShare) {
  const Scores scores = ScoresOf("t", {-1, -2, -3, -4, -5, -6, -7, -8, -9, -10},
                                 std::vector<float>(10, -1), std::vector<float>(10, 4));
  EXPECT_THAT(scores.at("min_k_10"), Optional(DoubleNear(-10.0, 1e-12)));
  EXPECT_THAT(scores.at("min_k_30"), Optional(DoubleNear(-9.0, 1e-12)));
  EXPECT_THAT(scores.at("min_k_100"), Optional(DoubleNear(-5.5, 1e-12)));
  EXPECT_THAT(scores.at("min_k_plus_plus_10"), Optional(DoubleNear(-4.5, 1e-12)));
  EXPECT_THAT(scores.at("min_k_plus_plus_100"), Optional(DoubleNear(-2.25, 1e-12)));
}

TEST(MembershipScoresTest, AShareOfZeroTokensIsMissing) {
  const Scores scores = ScoresOf("t", {-1, -2, -3}, {0, 0, 0}, {1, 1, 1});
  EXPECT_EQ(scores.at("min_k_30"), std::nullopt);
  EXPECT_EQ(scores.at("min_k_plus_plus_30"), std::nullopt);
  EXPECT_THAT(scores.at("min_k_40"), Optional(DoubleNear(-3.0, 1e-12)));
}

TEST(MembershipScoresTest, CountsTokensInDoubleAsTheReference) {
  // 90 * 0.7 is 62.99999999999999 in double.
  std::vector<float> log_probabilities(90, -1.0F);
  std::fill(log_probabilities.begin(), log_probabilities.begin() + 62, -2.0F);
  const Scores scores =
      ScoresOf("t", log_probabilities, std::vector<float>(90, 0), std::vector<float>(90, 1));
  EXPECT_THAT(scores.at("min_k_70"), Optional(-2.0));
}

TEST(MembershipScoresTest, ATextOfNoScoredTokensHasNoScores) {
  const Scores scores = ScoresOf("", {}, {}, {});
  ASSERT_EQ(scores.size(), 22);
  for (const auto& [name, value] : scores) {
    EXPECT_EQ(value, std::nullopt) << name;
  }
}

TEST(MembershipScoresTest, ATokenWithoutVarianceSortsBehindTheNumbers) {
  // 0 / 0: the ten other shares stand, the one that reaches the token is missing.
  const std::vector<float> log_probabilities(10, -1.0F);
  std::vector<float> means(10, 0.0F);
  std::vector<float> variances(10, 1.0F);
  means[3] = -1.0F;
  variances[3] = 0.0F;
  const Scores scores = ScoresOf("t", log_probabilities, means, variances);
  EXPECT_THAT(scores.at("min_k_plus_plus_90"), Optional(-1.0));
  EXPECT_EQ(scores.at("min_k_plus_plus_100"), std::nullopt);
  EXPECT_THAT(scores.at("min_k_100"), Optional(-1.0));
}

TEST(MembershipScoresTest, AnInfiniteScoreIsMissing) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Scores scores = ScoresOf("t", {-infinity, -1}, {0, 0}, {1, 1});
  EXPECT_EQ(scores.at("loss"), std::nullopt);
  EXPECT_EQ(scores.at("zlib"), std::nullopt);
  EXPECT_EQ(scores.at("min_k_50"), std::nullopt);
}

TEST(MembershipScoresTest, RefusesSpansOfDifferentLengths) {
  const absl::StatusOr<std::vector<NamedValue>> scores = MembershipScores("a", {-1.0F}, {}, {1.0F});
  ASSERT_FALSE(scores.ok());
  EXPECT_EQ(scores.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(scores.status().message()),
              HasSubstr("1 log-probabilities, 0 means and 1 variances"));
}

TEST(CompressedLengthTest, CountsHeaderAndChecksum) {
  EXPECT_EQ(CompressedLength(""), 8);
  EXPECT_EQ(CompressedLength("a"), 9);
  EXPECT_EQ(CompressedLength(std::string(1000, 'a')), 17);
}

}  // namespace
}  // namespace rwku::metrics
