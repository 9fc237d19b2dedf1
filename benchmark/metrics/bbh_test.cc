#include "benchmark/metrics/bbh.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rwku::metrics {
namespace {

using ::testing::Optional;

using Answers = std::vector<std::string>;

TEST(ExtractBbhAnswerTest, TakesWhatStandsBeforeTheFullStop) {
  EXPECT_EQ(ExtractBbhAnswer("Let's think. So the answer is  (B) . The answer is (C)."), "(B)");
  EXPECT_EQ(ExtractBbhAnswer("The answer is 3.5."), "3");
}

TEST(ExtractBbhAnswerTest, ReadsTheBarOfTheReferencesCharacterClass) {
  EXPECT_EQ(ExtractBbhAnswer("|he answer is 7."), "7");
  EXPECT_EQ(ExtractBbhAnswer("she answer is 7."), "she answer is 7.");
}

TEST(ExtractBbhAnswerTest, PassesOverAnOpeningWithoutAFullStopInItsLine) {
  EXPECT_EQ(ExtractBbhAnswer("the answer is no\nthe answer is yes."), "yes");
  EXPECT_EQ(ExtractBbhAnswer("the answer is no\nthe answer is yes"),
            "the answer is no\nthe answer is yes");
  // Only "\n" ends a line.
  EXPECT_EQ(ExtractBbhAnswer("the answer is a\rb\u2028c."), "a\rb\u2028c");
}

TEST(ExtractBbhAnswerTest, TakesTheWholeOutputWithoutAnOpening) {
  EXPECT_EQ(ExtractBbhAnswer(" True\n"), "True");
  EXPECT_EQ(ExtractBbhAnswer("he answer is 1."), "he answer is 1.");
  EXPECT_EQ(ExtractBbhAnswer("the answer is: 1."), "the answer is: 1.");
}

TEST(ExtractBbhAnswerTest, NothingIsNoAnswer) {
  EXPECT_EQ(ExtractBbhAnswer(""), "NOANSWER");
  EXPECT_EQ(ExtractBbhAnswer(" \u00a0"), "NOANSWER");
  EXPECT_EQ(ExtractBbhAnswer("the answer is ."), "NOANSWER");
}

TEST(ReaReferenceTest, ComparesWithSingleCharacters) {
  EXPECT_THAT(ReaReference("(B)", "(B)"), Optional(1.0));
  EXPECT_THAT(ReaReference("7", "7"), Optional(1.0));
  EXPECT_THAT(ReaReference("True", "True"), Optional(0.0));
  EXPECT_THAT(ReaReference("t", "True"), Optional(1.0));
  EXPECT_THAT(ReaReference("\u6771", "\u6771\u4eac"), Optional(1.0));
}

TEST(ReaReferenceTest, APredictionWithoutTokensMatchesASpaceOrAnArticle) {
  EXPECT_THAT(ReaReference("...", "(B)"), Optional(1.0));
  EXPECT_THAT(ReaReference("the", "valid"), Optional(1.0));
  EXPECT_THAT(ReaReference("", "True"), Optional(0.0));
}

TEST(ReaEmTest, ComparesWithWholeAnswers) {
  EXPECT_THAT(ReaEm("True", Answers{"true"}), Optional(1.0));
  EXPECT_THAT(ReaEm("b", Answers{"(A)", "(B)"}), Optional(1.0));
  EXPECT_THAT(ReaEm("...", Answers{"(B)"}), Optional(0.0));
}

TEST(ReaTest, WithoutAnAnswerBothAreMissing) {
  EXPECT_EQ(ReaReference("x", ""), std::nullopt);
  EXPECT_EQ(ReaEm("x", {}), std::nullopt);
}

}  // namespace
}  // namespace rwku::metrics
