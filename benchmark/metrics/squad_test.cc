#include "benchmark/metrics/squad.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rwku::metrics {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

using Answers = std::vector<std::string>;

TEST(SquadTokensTest, DropsCasePunctuationAndArticles) {
  EXPECT_THAT(SquadTokens("The  Shining, by a man: an \"Author\"."),
              ElementsAre("shining", "by", "man", "author"));
  EXPECT_THAT(SquadTokens("U.S. co-author_1"), ElementsAre("us", "coauthor1"));
}

TEST(SquadTokensTest, PunctuationGoesBeforeArticles) {
  EXPECT_THAT(SquadTokens("(a) t.h.e A.n"), IsEmpty());
  EXPECT_THAT(SquadTokens("a-b the_a"), ElementsAre("ab", "thea"));
}

TEST(SquadTokensTest, AnArticleEndsWherePythonsWordEnds) {
  // A curly apostrophe and a combining mark are no word characters, a superscript is one.
  EXPECT_THAT(SquadTokens("the\u2019a\u2019b"), ElementsAre("\u2019", "\u2019b"));
  EXPECT_THAT(SquadTokens("a\u0301"), ElementsAre("\u0301"));
  EXPECT_THAT(SquadTokens("a\u00b2 \u00e0 \u6587a a\u6587"),
              ElementsAre("a\u00b2", "\u00e0", "\u6587a", "a\u6587"));
}

TEST(SquadTokensTest, SplitsOnPythonsWhiteSpace) {
  EXPECT_THAT(SquadTokens("x\u00a0y\u3000z\x1f w\u200bv"), ElementsAre("x", "y", "z", "w\u200bv"));
}

TEST(SquadTokensTest, TextsOfNothingHaveNone) {
  EXPECT_THAT(SquadTokens(""), IsEmpty());
  EXPECT_THAT(SquadTokens(" ...\n"), IsEmpty());
}

TEST(ExactMatchTest, ComparesNormalisedTokensInOrder) {
  EXPECT_THAT(ExactMatch("The Beatles!", Answers{"Stones", "beatles"}), Optional(1.0));
  EXPECT_THAT(ExactMatch("John Paul", Answers{"Paul John"}), Optional(0.0));
  EXPECT_THAT(ExactMatch("a", Answers{"the"}), Optional(1.0));
  EXPECT_THAT(ExactMatch("", Answers{"x"}), Optional(0.0));
}

TEST(TokenF1Test, CountsTokensInCommonWithRepetition) {
  // 2 of 3 and 2 of 4 in common.
  EXPECT_THAT(TokenF1("x x y", Answers{"x x x z"}), Optional(DoubleEq(4.0 / 7.0)));
  EXPECT_THAT(TokenF1("x", Answers{"y"}), Optional(0.0));
  EXPECT_THAT(TokenF1("y x", Answers{"x y"}), Optional(1.0));
}

TEST(TokenF1Test, TakesTheBestAnswer) {
  EXPECT_THAT(TokenF1("x", Answers{"x y", "z", "x y w"}), Optional(DoubleEq(2.0 / 3.0)));
}

TEST(TokenF1Test, WithoutTokensOnlyNothingIsRight) {
  EXPECT_THAT(TokenF1("the", Answers{"."}), Optional(1.0));
  EXPECT_THAT(TokenF1("", Answers{"x"}), Optional(0.0));
  EXPECT_THAT(TokenF1("x", Answers{""}), Optional(0.0));
}

TEST(TokenF1Test, WithoutAnswersItIsMissing) {
  EXPECT_EQ(TokenF1("x", {}), std::nullopt);
  EXPECT_EQ(ExactMatch("x", {}), std::nullopt);
}

}  // namespace
}  // namespace rwku::metrics
