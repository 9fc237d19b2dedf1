#include "benchmark/metrics/rouge.h"

#include <ostream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace rwku::metrics {
namespace {

struct Case {
  std::string name;
  std::string hypothesis;
  std::string reference;
  double recall;
  double precision;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class RougeLTest : public testing::TestWithParam<Case> {};

TEST_P(RougeLTest, EqualsThePackage) {
  const Rouge rouge = RougeL(GetParam().hypothesis, GetParam().reference);
  EXPECT_DOUBLE_EQ(rouge.recall, GetParam().recall);
  EXPECT_DOUBLE_EQ(rouge.precision, GetParam().precision);
  EXPECT_DOUBLE_EQ(RougeLRecall(GetParam().hypothesis, GetParam().reference), GetParam().recall);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, RougeLTest,
    testing::Values(
        Case{"Equal", "Carrie White", "Carrie White", 1.0, 1.0},
        Case{"NothingInCommon", "NOANSWER", "Carrie", 0.0, 0.0},
        Case{"CaseCounts", "carrie", "Carrie", 0.0, 0.0},
        Case{"CommasStickToWords", "Maine, USA", "Maine", 0.0, 0.0},
        Case{"FullStopsDoNot", "Maine.", "Maine", 1.0, 1.0},
        Case{"OrderCounts", "King Stephen", "Stephen King", 0.5, 0.5},
        Case{"RepeatedWordsCountOnce", "a a a b", "a a c", 0.5, 0.5},
        Case{"UnionOverSentences", "w1 w2 w6 w7 w8. w1 w3 w8 w9 w5", "w1 w2 w3 w4 w5", 0.8, 0.5},
        Case{"SpaceBetweenStopsIsAnEmptyWord", "Maine. ", "Maine. ", 1.0, 1.0},
        Case{"SpaceAfterTheLastStopLowersPrecision", "Maine. ", "Maine", 1.0, 0.5},
        Case{"AbbreviationsFallApart", "J. K.", "J.K.", 1.0, 1.0},
        Case{"NoBreakSpaceSplitsWords", "Stephen\xC2\xA0King", "Stephen King", 1.0, 1.0},
        Case{"OtherScripts", "\xE6\x96\x87 \xE5\xAD\x97", "\xE6\x96\x87", 1.0, 0.5},
        Case{"DotsOnly", "...", "Maine", 0.0, 0.0}, Case{"EmptyHypothesis", "", "Maine", 0.0, 0.0},
        Case{"BlankHypothesis", " \n", "Maine", 0.0, 0.0},
        Case{"EmptyReference", "Maine", "", 0.0, 0.0}, Case{"BothEmpty", "", "", 0.0, 0.0}),
    [](const testing::TestParamInfo<Case>& info) { return info.param.name; });

TEST(RougeLTest, F1CarriesThePackagesGuard) {
  EXPECT_DOUBLE_EQ(RougeL("a", "a").f1, 2.0 / (2.0 + 1e-8));
  EXPECT_EQ(RougeL("b", "a").f1, 0.0);
}

TEST(RougeLTest, OfSeveralLongestSubsequencesTheHypothesisGivesWay) {
  // "a" and "b" are both longest subsequences of "b a" and "a b". The walk finds "b", which the
  // second sentence has too; had it found "a", the union would be both words.
  EXPECT_DOUBLE_EQ(RougeLRecall("b a. b", "a b"), 0.5);
}

}  // namespace
}  // namespace rwku::metrics
