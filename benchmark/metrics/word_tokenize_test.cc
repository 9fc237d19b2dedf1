#include "benchmark/metrics/word_tokenize.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "base/file.h"

namespace rwku::metrics {
namespace {

using ::nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::filesystem::path Data() {
  const char* const shared = std::getenv("RWKU_SHARED");
  return std::filesystem::path(shared == nullptr ? "" : shared) / "data";
}

std::filesystem::path PunktFolder() { return Data() / "nltk_data/tokenizers/punkt_tab/english"; }

std::vector<std::string> Fallback(absl::string_view text) {
  return WordTokenizer::WithoutPunkt().Tokenize(text);
}

TEST(WordTokenizerTest, TextWithoutWordsHasNoTokens) {
  EXPECT_THAT(Fallback(""), IsEmpty());
  EXPECT_THAT(Fallback(" \n\t\xE3\x80\x80"), IsEmpty());
}

TEST(WordTokenizerTest, PunctuationAndSymbolsAreTokens) {
  EXPECT_THAT(
      Fallback("Wait, (what)? $5 & 10%; a@b [x] {y} <z> * #1!"),
      ElementsAre("Wait", ",", "(", "what", ")", "?", "$", "5", "&", "10", "%", ";", "a", "@", "b",
                  "[", "x", "]", "{", "y", "}", "<", "z", ">", "*", "#", "1", "!"));
}

TEST(WordTokenizerTest, NumbersKeepTheirCommasAndColons) {
  EXPECT_THAT(Fallback("1,234.5 at 10:30, a:b"),
              ElementsAre("1,234.5", "at", "10:30", ",", "a", ":", "b"));
}

TEST(WordTokenizerTest, OnlyTheFinalPeriodOfASentenceIsAToken) {
  EXPECT_THAT(Fallback("a.m. or p.m. (today.)"),
              ElementsAre("a.m", ".", "or", "p.m", ".", "(", "today", ".", ")"));
  EXPECT_THAT(Fallback("so it goes... on.."), ElementsAre("so", "it", "goes", "...", "on", ".."));
}

TEST(WordTokenizerTest, ContractionsAreSplit) {
  EXPECT_THAT(Fallback("I'm sure they don't, he'll CANNOT gonna 'tis King's kings'"),
              ElementsAre("I", "'m", "sure", "they", "do", "n't", ",", "he", "'ll", "CAN", "NOT",
                          "gon", "na", "'t", "is", "King", "'s", "kings", "'"));
  EXPECT_THAT(Fallback("cannots wanna"), ElementsAre("cannots", "wan", "na"));
}

TEST(WordTokenizerTest, DoubleQuotesBecomeOpeningAndClosingOnes) {
  EXPECT_THAT(Fallback("\"Yes\" (\"no\") \xE2\x80\x9Cso\xE2\x80\x9D ''x''"),
              ElementsAre("``", "Yes", "''", "(", "``", "no", "''", ")", "\xE2\x80\x9C", "so",
                          "\xE2\x80\x9D", "``", "x", "''"));
}

TEST(WordTokenizerTest, DoubleDashesAreTokens) {
  EXPECT_THAT(Fallback("well-known--or not---so"),
              ElementsAre("well-known", "--", "or", "not", "--", "-so"));
}

TEST(WordTokenizerTest, BytesThatAreNotUtf8AreReplaced) {
  EXPECT_THAT(Fallback("a\xFF b"), ElementsAre("a\xEF\xBF\xBD", "b"));
}

TEST(WordTokenizerTest, TheFallbackSplitsAtEveryMarkBeforeWhiteSpace) {
  EXPECT_EQ(WordTokenizer::WithoutPunkt().name(), "fallback");
  EXPECT_THAT(Fallback("Mr. King? Yes.\nx.y"),
              ElementsAre("Mr", ".", "King", "?", "Yes", ".", "x.y"));
}

TEST(WordTokenizerTest, ParametersThatAreMissingAreAnError) {
  const absl::Status status =
      WordTokenizer::Load(std::filesystem::path(testing::TempDir()) / "no_punkt").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.message(), testing::HasSubstr("no_punkt/abbrev_types.txt"));
}

class RealPunktTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(PunktFolder())) {
      GTEST_SKIP() << "no Punkt parameters at " << PunktFolder() << " (RWKU_SHARED)";
    }
  }
};

TEST_F(RealPunktTest, KnowsAbbreviationsAndInitials) {
  const absl::StatusOr<WordTokenizer> tokenizer = WordTokenizer::Load(PunktFolder());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ(tokenizer->name(), "punkt");
  EXPECT_THAT(tokenizer->Tokenize("Mr. S. E. King of the U.S. wrote it. He did."),
              ElementsAre("Mr.", "S.", "E.", "King", "of", "the", "U.S.", "wrote", "it", ".", "He",
                          "did", "."));
}

// Entropy in bits of the distribution of `tokens`' n-grams.
double NgramEntropy(const std::vector<std::string>& tokens, size_t n) {
  std::map<std::vector<std::string>, double> counts;
  double total = 0;
  for (size_t i = 0; i + n <= tokens.size(); ++i) {
    const auto begin = tokens.begin() + static_cast<std::ptrdiff_t>(i);
    counts[{begin, begin + static_cast<std::ptrdiff_t>(n)}] += 1;
    total += 1;
  }
  double entropy = 0;
  for (const auto& [ngram, count] : counts) {
    entropy -= count / total * std::log(count / total);
  }
  return entropy / std::log(2.0);
}

TEST_F(RealPunktTest, TheReferencesEntropyFollowsFromItsPredictions) {
  const std::filesystem::path path = Data() / "rwku/golden/1_Stephen_King/fluency.json";
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "no reference results at " << path;
  }
  const absl::StatusOr<WordTokenizer> tokenizer = WordTokenizer::Load(PunktFolder());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const absl::StatusOr<std::string> contents = ReadFile(path);
  ASSERT_TRUE(contents.ok()) << contents.status();
  const json golden = json::parse(*contents);
  double sum = 0;
  for (const json& result : golden.at("results")) {
    const std::vector<std::string> tokens =
        tokenizer->Tokenize(result.at("prediction").get_ref<const std::string&>());
    sum += (NgramEntropy(tokens, 2) * 2 / 3 + NgramEntropy(tokens, 3) * 4 / 3) / 2;
  }
  ASSERT_EQ(golden.at("results").size(), 50);
  EXPECT_NEAR(sum / 50, golden.at("entropy").get<double>(), 1e-12);
}

// What could lead rules with lookahead to look at a text again and again.
struct RepeatedUnit {
  const char* name;
  const char* text;
};

class LinearTimeTest : public testing::TestWithParam<RepeatedUnit> {};

void PrintTo(const RepeatedUnit& unit, std::ostream* out) { *out << unit.name; }

double CpuSeconds(const WordTokenizer& tokenizer, const std::string& unit, size_t size) {
  std::string text = "a. ";
  while (text.size() < size) {
    text += unit;
  }
  double least = 0;
  for (int run = 0; run < 3; ++run) {
    const std::clock_t begin = std::clock();
    EXPECT_FALSE(tokenizer.Tokenize(text).empty());
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    least = run == 0 ? seconds : std::min(least, seconds);
  }
  return least;
}

TEST_P(LinearTimeTest, SixteenTimesTheTextTakesNotFarMoreThanSixteenTimesTheWork) {
  const absl::StatusOr<WordTokenizer> loaded = WordTokenizer::Load(PunktFolder());
  const WordTokenizer tokenizer = loaded.ok() ? *loaded : WordTokenizer::WithoutPunkt();
  constexpr size_t kSmall = 1U << 14;
  const double small = CpuSeconds(tokenizer, GetParam().text, kSmall);
  const double large = CpuSeconds(tokenizer, GetParam().text, 16 * kSmall);
  // Quadratic work would be 256 times as much.
  EXPECT_LT(large, 64 * std::max(small, 1e-4)) << "small " << small << " s";
}

INSTANTIATE_TEST_SUITE_P(
    Units, LinearTimeTest,
    testing::Values(
        RepeatedUnit{"OneWord", "a"}, RepeatedUnit{"Ellipsis", "."},
        RepeatedUnit{"SpacedEllipsis", ". "}, RepeatedUnit{"Initials", "a."},
        RepeatedUnit{"SpacedInitials", "a. "}, RepeatedUnit{"Names", "A. b "},
        RepeatedUnit{"Apostrophes", "'"}, RepeatedUnit{"DoubleQuotes", "\""},
        RepeatedUnit{"SpacedApostrophes", "' "}, RepeatedUnit{"Dashes", "-"},
        RepeatedUnit{"Closers", ")"}, RepeatedUnit{"ClosedSentences", ".)"},
        RepeatedUnit{"NoBreakSpaces", "\xC2\xA0"},
        RepeatedUnit{"PeriodsBetweenNoBreakSpaces", ".\xC2\xA0"},
        RepeatedUnit{"WordsBetweenNoBreakSpaces", "x.\xC2\xA0"}, RepeatedUnit{"LineBreaks", "\n"},
        RepeatedUnit{"PeriodsOnLines", ".\n"}, RepeatedUnit{"Sigmas", "\xCE\xA3"},
        RepeatedUnit{"SigmasBetweenCaseIgnorables", "'\xCE\xA3"}, RepeatedUnit{"Backticks", "`"},
        RepeatedUnit{"Commas", ","}, RepeatedUnit{"Colons", ":a"}, RepeatedUnit{"Marks", "?!"},
        RepeatedUnit{"Clitics", "n't "}, RepeatedUnit{"Contractions", "cannot "},
        RepeatedUnit{"HalfContractions", "can"}, RepeatedUnit{"Ideographs", "\xE6\x96\x87"},
        RepeatedUnit{"Emoji", "\xF0\x9F\x98\x80"}),
    [](const testing::TestParamInfo<RepeatedUnit>& info) { return info.param.name; });

}  // namespace
}  // namespace rwku::metrics
