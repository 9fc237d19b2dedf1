#include "benchmark/metrics/unicode.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace rwku::metrics {
namespace {

TEST(DecodeUtf8Test, ReadsCharactersOfOneToFourBytes) {
  EXPECT_EQ(DecodeUtf8("a\xC3\xA9\xE6\x96\x87\xF0\x9F\x98\x80"), U"a\u00e9\u6587\U0001F600");
  EXPECT_EQ(DecodeUtf8(""), U"");
  EXPECT_EQ(DecodeUtf8(absl::string_view("\0a", 2)), std::u32string(U"\0a", 2));
}

// What bytes.decode("utf-8", "replace") gives.
TEST(DecodeUtf8Test, ReplacesBytesThatAreNoUtf8) {
  EXPECT_EQ(DecodeUtf8("\xC2 b"), U"\uFFFD b");                  // lead byte without its second
  EXPECT_EQ(DecodeUtf8("\xE3\x80"), U"\uFFFD");                  // beginning of a character
  EXPECT_EQ(DecodeUtf8("\xF0\x9F\x98x"), U"\uFFFDx");            // the same before another
  EXPECT_EQ(DecodeUtf8("\xC0\xA0"), U"\uFFFD\uFFFD");            // overlong
  EXPECT_EQ(DecodeUtf8("\xED\xA0\x80"), U"\uFFFD\uFFFD\uFFFD");  // surrogate
}

TEST(EncodeUtf8Test, IsTheReverse) {
  EXPECT_EQ(EncodeUtf8(U"a\u00e9\u6587\U0001F600"), "a\xC3\xA9\xE6\x96\x87\xF0\x9F\x98\x80");
  EXPECT_EQ(EncodeUtf8(std::u32string{0xD800, 0x110000}), "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(LowerTest, MapsOneCharacterToSeveral) {
  EXPECT_EQ(Lower("\xC4\xB0stanbul"), "i\xCC\x87stanbul");  // U+0130
}

TEST(LowerTest, WritesAFinalSigmaAtTheEndOfAWordOnly) {
  EXPECT_EQ(Lower("ΟΔΟΣ ΣΑΣ'Σ"), "οδος σασ'ς");
  EXPECT_EQ(Lower("Σ"), "σ");
}

TEST(LowerTest, KnowsLettersBeyondTheBasicPlane) { EXPECT_EQ(Lower("𐐀 ÀÉ Ж Ǆ"), "𐐨 àé ж ǆ"); }

TEST(IsWordCharacterTest, HoldsForLettersNumbersAndTheUnderscore) {
  for (const char32_t character :
       std::u32string_view(U"aZ0_\u00e9\u6587\u00b2\u00bd\u2167\u0663\u02b0\U00010400")) {
    EXPECT_TRUE(IsWordCharacter(character)) << static_cast<uint32_t>(character);
  }
}

TEST(IsWordCharacterTest, FailsForMarksSymbolsAndSpaces) {
  for (const char32_t character :
       std::u32string_view(U" -'\u0301\u20ac\u2019\u200d\ufffd\U0001F600\u093e\u0345")) {
    EXPECT_FALSE(IsWordCharacter(character)) << static_cast<uint32_t>(character);
  }
}

TEST(IsEmojiTest, HoldsForPictures) {
  for (const char32_t character : std::u32string_view(U"\U0001F600\u2764\U0001F1EB\u2603")) {
    EXPECT_TRUE(IsEmoji(character)) << static_cast<uint32_t>(character);
  }
  for (const char32_t character : std::u32string_view(U"1#a.\u200d\ufe0f\ufffd\u2500\u6587")) {
    EXPECT_FALSE(IsEmoji(character)) << static_cast<uint32_t>(character);
  }
}

TEST(IsAsciiPunctuationTest, HoldsForThePrintableAsciiThatIsNoWord) {
  for (const char32_t character : std::u32string_view(U"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")) {
    EXPECT_TRUE(IsAsciiPunctuation(character)) << static_cast<uint32_t>(character);
  }
  for (const char32_t character : std::u32string_view(U"a0 \u00bf\u2019\uff0e\n")) {
    EXPECT_FALSE(IsAsciiPunctuation(character)) << static_cast<uint32_t>(character);
  }
}

}  // namespace
}  // namespace rwku::metrics
