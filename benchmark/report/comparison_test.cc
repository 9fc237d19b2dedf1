#include "benchmark/report/comparison.h"

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "base/random.h"
#include "benchmark/report/render_comparison.h"

namespace rwku::report {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;

// Every assignment of signs by recursion, on integers: no rounding decides a tie.
double BruteForceP(const std::vector<int>& differences) {
  int observed = 0;
  for (const int difference : differences) {
    observed += difference;
  }
  int hits = 0;
  int patterns = 0;
  const std::function<void(size_t, int)> flip = [&](size_t at, int sum) {
    if (at == differences.size()) {
      ++patterns;
      hits += std::abs(sum) >= std::abs(observed) ? 1 : 0;
      return;
    }
    flip(at + 1, sum + differences[at]);
    flip(at + 1, sum - differences[at]);
  };
  flip(0, 0);
  return static_cast<double>(hits) / patterns;
}

TEST(SignFlipTest, EqualsAllPatternsByBruteForce) {
  Random random(4);
  for (int round = 0; round < 60; ++round) {
    std::vector<int> differences(1 + random.Below(12));
    std::vector<double> scaled;
    for (int& difference : differences) {
      difference = static_cast<int>(random.Below(21)) - 8;
      scaled.push_back(difference * 0.1);  // tenths are no doubles: ties must hold all the same
    }
    EXPECT_EQ(SignFlipPValue(scaled, 10000, 1), BruteForceP(differences)) << round;
  }
}

TEST(SignFlipTest, KnowsTheSmallestValueOfFewTargets) {
  EXPECT_EQ(SignFlipPValue({}, 10000, 1), std::nullopt);
  EXPECT_EQ(SignFlipPValue({5.0}, 10000, 1), 1.0);
  EXPECT_EQ(SignFlipPValue({5.0, 6.0, 7.0, 8.0, 9.0}, 10000, 1), 2.0 / 32);
  EXPECT_EQ(SignFlipPValue({0.0, 0.0}, 10000, 1), 1.0);
}

TEST(SignFlipTest, DrawsComeNearTheExactValueAndNeverToZero) {
  Random random(8);
  std::vector<int> whole(15);
  std::vector<double> differences;
  for (int& difference : whole) {
    difference = static_cast<int>(random.Below(21)) - 8;
    differences.push_back(difference);
  }
  const std::optional<double> p = SignFlipPValue(differences, 10000, 42);
  EXPECT_THAT(p, Optional(DoubleNear(BruteForceP(whole), 0.015)));  // 3 standard errors at p = 0.5
  EXPECT_EQ(p, SignFlipPValue(differences, 10000, 42));
  EXPECT_EQ(SignFlipPValue(std::vector<double>(40, 1.0), 10000, 42), 1.0 / 10001);
}

TEST(SignFlipTest, MoreThanSixtyFourTargetsAreFlippedIndependently) {
  // Halves of equal size and opposite sign: were signs reused after 64, sums would always vanish.
  std::vector<double> differences(128, 1.0);
  for (size_t i = 64; i < differences.size(); ++i) {
    differences[i] = -1.0;
  }
  differences[0] = 5.0;  // observed sum 4
  const std::optional<double> p = SignFlipPValue(differences, 10000, 42);
  // Flipped sums are about normal with variance 152: |sum| >= 4 in 2 * (1 - Phi(3 / 12.33)) of them
  // (sums are even).
  EXPECT_THAT(p, Optional(DoubleNear(0.808, 0.02)));
}

TEST(HolmTest, GivesTheTextbookValues) {
  // 0.01*4, 0.02*3, 0.03*2 -> 0.06, 0.04*1 -> at least 0.06.
  EXPECT_THAT(HolmAdjusted({0.04, 0.01, 0.03, 0.02}),
              ElementsAre(Optional(DoubleNear(0.06, 1e-12)), Optional(DoubleNear(0.04, 1e-12)),
                          Optional(DoubleNear(0.06, 1e-12)), Optional(DoubleNear(0.06, 1e-12))));
}

TEST(HolmTest, StaysAtMostOneAndLeavesMissingOnesOut) {
  EXPECT_THAT(HolmAdjusted({0.6, std::nullopt, 0.02}),
              ElementsAre(Optional(0.6), std::nullopt, Optional(0.04)));
  EXPECT_THAT(HolmAdjusted({0.9, 0.8}), ElementsAre(Optional(1.0), Optional(1.0)));
  EXPECT_TRUE(HolmAdjusted({}).empty());
}

TEST(MinimumDetectableEffectTest, IsTwoPointEightStandardErrors) {
  // Standard deviation 2, n = 4, standard error 1.
  EXPECT_THAT(
      MinimumDetectableEffect({-std::sqrt(3.0), std::sqrt(3.0), -std::sqrt(3.0), std::sqrt(3.0)}),
      Optional(DoubleNear(2.80158521810, 1e-9)));
  EXPECT_EQ(MinimumDetectableEffect({1.0}), std::nullopt);
}

ReportTable PerTarget(const std::string& title,
                      const std::vector<std::pair<std::string, std::optional<double>>>& values) {
  ReportTable table{title,
                    {{"forget_all", "All", "Forget", false}, {"gen", "Gen", "Utility", true}},
                    {},
                    "targets"};
  for (const auto& [target, value] : values) {
    ReportRow& row = table.rows.emplace_back();
    row.label = target;
    row.cells.resize(2);
    row.cells[0].value = value;
  }
  return table;
}

TEST(CompareTest, TakesTheTargetsThatBothHave) {
  const Comparison comparison =
      Compare(PerTarget("original", {{"A", 80}, {"B", 90}, {"C", 100}, {"D", std::nullopt}}),
              PerTarget("ga", {{"C", 40}, {"B", 60}, {"D", 0}, {"E", 0}}));
  ASSERT_EQ(comparison.cells.size(), 2);
  const ComparisonCell& cell = comparison.cells[0];
  EXPECT_EQ(cell.targets, 2);
  EXPECT_EQ(cell.first, 95);
  EXPECT_EQ(cell.second, 50);
  EXPECT_EQ(cell.difference, -45);
  EXPECT_EQ(cell.low, -60);
  EXPECT_EQ(cell.high, -30);
  EXPECT_EQ(cell.p, 0.5);
  EXPECT_EQ(cell.p_adjusted, 0.5);  // the other column has no p to adjust for
  EXPECT_THAT(cell.detectable, Optional(DoubleNear(2.80158521810 * 15, 1e-6)));
}

TEST(CompareTest, AColumnWithoutSharedTargetsIsMissing) {
  const Comparison comparison =
      Compare(PerTarget("original", {{"A", 80}}), PerTarget("ga", {{"B", 60}}));
  EXPECT_EQ(comparison.cells[0].difference, std::nullopt);
  EXPECT_EQ(comparison.cells[0].p, std::nullopt);
  EXPECT_EQ(comparison.cells[1].targets, 0);
}

TEST(CompareTest, TheOrderOfTargetsChangesNoBit) {
  const Comparison forward = Compare(PerTarget("a", {{"A", 0.1}, {"B", 0.7}, {"C", 0.3}}),
                                     PerTarget("b", {{"A", 0.2}, {"B", 0.1}, {"C", 1.0 / 3}}));
  const Comparison backward = Compare(PerTarget("a", {{"C", 0.3}, {"B", 0.7}, {"A", 0.1}}),
                                      PerTarget("b", {{"B", 0.1}, {"C", 1.0 / 3}, {"A", 0.2}}));
  EXPECT_EQ(RenderJson(forward), RenderJson(backward));
}

Comparison SmallComparison() {
  Comparison comparison = Compare(PerTarget("original", {{"A", 80}, {"B", 90}, {"C", 70.5}}),
                                  PerTarget("ga|lora", {{"A", 40}, {"B", 60}, {"C", 20}}));
  comparison.cells[0].p_adjusted = 0.00001;
  return comparison;
}

TEST(RenderComparisonTest, TextHasALineAColumnWithFigures) {
  const std::string text = RenderText(SmallComparison());
  EXPECT_THAT(text, HasSubstr("original"));
  EXPECT_THAT(text, HasSubstr("Forget All"));
  EXPECT_THAT(text, HasSubstr("-40.2"));
  EXPECT_THAT(text, HasSubstr("<0.0001*"));
  EXPECT_THAT(text, Not(HasSubstr("Utility Gen")));
}

TEST(RenderComparisonTest, CsvAndJsonHoldEveryColumn) {
  EXPECT_THAT(RenderCsv(SmallComparison()), HasSubstr("\r\ngen,,,,,,,,,0\r\n"));
  const nlohmann::json document = nlohmann::json::parse(RenderJson(SmallComparison()));
  EXPECT_EQ(document["second"], "ga|lora");
  EXPECT_EQ(document["columns"][0]["p"], 0.25);
  EXPECT_TRUE(document["columns"][1]["difference"].is_null());
}

TEST(RenderComparisonTest, MarkdownEscapesLabels) {
  EXPECT_THAT(RenderMarkdown(SmallComparison()), HasSubstr(" ga\\|lora |"));
}

}  // namespace
}  // namespace rwku::report
