#include "benchmark/metrics/punkt.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "benchmark/metrics/python_text.h"
#include "benchmark/metrics/unicode.h"

namespace rwku::metrics {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Sentences(std::u32string_view text) {
  PunktParameters parameters;
  parameters.abbreviations = {"mr", "u.s", "gov"};
  parameters.sentence_starters = {"he"};
  parameters.collocations = {"##number##\tinternational", "b\tsmith"};
  parameters.orthographic_contexts = {
      {"the", PunktParameters::kUpperAtBeginning | PunktParameters::kLowerInside},
      {"king", PunktParameters::kUpperInside},
      {"rose", PunktParameters::kLowerInside | PunktParameters::kUpperInside},
      {"in", PunktParameters::kLowerInside}};
  std::vector<std::string> sentences;
  for (const std::u32string_view sentence : Punkt(std::move(parameters)).Sentences(text)) {
    sentences.push_back(EncodeUtf8(sentence));
  }
  return sentences;
}

TEST(PunktTest, PeriodsQuestionAndExclamationMarksEndSentences) {
  EXPECT_THAT(Sentences(U"One went. Two?  Three!\nFour"),
              ElementsAre("One went.", "Two?", "Three!", "Four"));
}

TEST(PunktTest, TextWithoutWordsHasNoSentences) {
  EXPECT_THAT(Sentences(U""), IsEmpty());
  EXPECT_THAT(Sentences(U" \n\u3000"), IsEmpty());
}

TEST(PunktTest, WhiteSpaceIsKeptAtTheStartOfTheTextOnly) {
  EXPECT_THAT(Sentences(U"  One went. \n Two \n"), ElementsAre("  One went.", "Two"));
}

TEST(PunktTest, AnAbbreviationEndsASentenceBeforeASentenceStarterOnly) {
  EXPECT_THAT(Sentences(U"Mr. King of the U.S. He wrote."),
              ElementsAre("Mr. King of the U.S.", "He wrote."));
  EXPECT_THAT(Sentences(U"the ex-Gov. he saw"), ElementsAre("the ex-Gov. he saw"));
}

TEST(PunktTest, TheCaseOfTheNextWordDecidesAfterAbbreviations) {
  // "The" is lower case inside sentences, "Rose" is not always.
  EXPECT_THAT(Sentences(U"the U.S. The end"), ElementsAre("the U.S.", "The end"));
  EXPECT_THAT(Sentences(U"the U.S. Rose ended"), ElementsAre("the U.S. Rose ended"));
}

TEST(PunktTest, InitialsAndOrdinalsEndNoSentenceBeforeLowerCaseOrNames) {
  EXPECT_THAT(Sentences(U"S. King. on"), ElementsAre("S. King.", "on"));
  EXPECT_THAT(Sentences(U"the 5. in Maine"), ElementsAre("the 5. in Maine"));
  EXPECT_THAT(Sentences(U"in 1947. King"), ElementsAre("in 1947.", "King"));
}

TEST(PunktTest, CollocationsEndNoSentence) {
  EXPECT_THAT(Sentences(U"saw 12. International news. B. Smith"),
              ElementsAre("saw 12. International news.", "B. Smith"));
}

TEST(PunktTest, EllipsesEndASentenceBeforeASentenceStarterOnly) {
  EXPECT_THAT(Sentences(U"well... He went. . ."), ElementsAre("well...", "He went.", ".", "."));
  EXPECT_THAT(Sentences(U"well... King went"), ElementsAre("well... King went"));
}

TEST(PunktTest, ClosingQuotesAndBracketsStayWithTheSentenceTheyClose) {
  EXPECT_THAT(Sentences(U"(One went.) \"Two did.\" Three."),
              ElementsAre("(One went.)", "\"Two did.\"", "Three."));
  EXPECT_THAT(Sentences(U"One went.)--Two."), ElementsAre("One went.)", "--Two."));
}

TEST(PunktTest, PunctuationMayFollowTheMarkDirectly) {
  EXPECT_THAT(Sentences(U"One went.(Two did.)"), ElementsAre("One went.", "(Two did.)"));
  EXPECT_THAT(Sentences(U"One went.Two did."), ElementsAre("One went.Two did."));
}

TEST(PunktTest, SeveralMarksEndOneSentence) {
  EXPECT_THAT(Sentences(U"One?! Two!!! Three"), ElementsAre("One?!", "Two!!!", "Three"));
}

}  // namespace
}  // namespace rwku::metrics
