#include "benchmark/metrics/text.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rwku::metrics {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SplitWordsTest, SplitsOnEveryRunOfWhiteSpace) {
  EXPECT_THAT(SplitWords("  a \t\n bc\r\n d"), ElementsAre("a", "bc", "d"));
  EXPECT_THAT(SplitWords(""), IsEmpty());
  EXPECT_THAT(SplitWords(" \t "), IsEmpty());
}

TEST(SplitWordsTest, KnowsTheWhiteSpaceOfUnicode) {
  const std::vector<std::string> spaces = {
      "\x09",         "\x0a",         "\x0b",         "\x0c",         "\x0d",
      "\x1c",         "\x1d",         "\x1e",         "\x1f",         " ",
      "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x8A",
      "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};
  for (const std::string& space : spaces) {
    EXPECT_THAT(SplitWords("a" + space + "b"), ElementsAre("a", "b"))
        << testing::PrintToString(space);
  }
}

TEST(SplitWordsTest, KeepsCharactersThatAreNoWhiteSpace) {
  const std::vector<std::string> words = {
      "a\xE2\x80\x8B"
      "b",  // zero width space
      "a\xEF\xBB\xBF"
      "b",                         // byte order mark
      "\xF0\x9F\x98\x80",          // emoji
      "\xE6\x96\x87\xE5\xAD\x97",  // CJK
      "a\xE1\xA0\x8E"
      "b",  // Mongolian vowel separator, white space no more
  };
  for (const std::string& word : words) {
    EXPECT_THAT(SplitWords(word), ElementsAre(word));
  }
}

TEST(SplitWordsTest, KeepsBytesThatAreNoUtf8) {
  EXPECT_THAT(SplitWords("\xC2 b"), ElementsAre("\xC2", "b"));   // a lead byte swallows no space
  EXPECT_THAT(SplitWords("\xC0\xA0"), ElementsAre("\xC0\xA0"));  // overlong form of a space
  EXPECT_THAT(SplitWords("\xA0\xE3\x80"), ElementsAre("\xA0\xE3\x80"));
}

TEST(StripWhitespaceTest, LeavesTheInsideAlone) {
  EXPECT_EQ(StripWhitespace("\xC2\xA0 a  b\n"), "a  b");
  EXPECT_EQ(StripWhitespace("ab"), "ab");
  EXPECT_EQ(StripWhitespace("\n\xE3\x80\x80"), "");
  EXPECT_EQ(StripWhitespace(""), "");
}

TEST(IsBlankTest, HoldsForWhiteSpaceOnly) {
  EXPECT_TRUE(IsBlank(""));
  EXPECT_TRUE(IsBlank(" \n\xC2\xA0"));
  EXPECT_FALSE(IsBlank(" . "));
}

}  // namespace
}  // namespace rwku::metrics
