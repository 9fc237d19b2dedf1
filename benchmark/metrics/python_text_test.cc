#include "benchmark/metrics/python_text.h"

#include <string>

#include "gtest/gtest.h"

#include "benchmark/metrics/unicode.h"

namespace rwku::metrics::python {
namespace {

TEST(PythonTextTest, DecodingAndEncodingAreInverse) {
  const std::string text("a\0\x7F\xC3\xA9\xE6\x96\x87\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF", 16);
  const std::u32string decoded = Decode(text);
  EXPECT_EQ(decoded, std::u32string({U'a', 0, 0x7F, 0xE9, 0x6587, 0x1F600, 0x10FFFF}));
  EXPECT_EQ(EncodeUtf8(decoded), text);
  EXPECT_EQ(Decode(""), U"");
}

TEST(PythonTextTest, EachByteThatIsNoCharacterDecodesToAReplacementCharacter) {
  EXPECT_EQ(Decode("a\xFF\xC3z"), U"a\uFFFD\uFFFDz");
  // A surrogate, an overlong slash and a character that is cut off.
  EXPECT_EQ(Decode("\xED\xA0\x80"), U"\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(Decode("\xC0\xAF"), U"\uFFFD\uFFFD");
  EXPECT_EQ(Decode("\xF0\x9F\x98"), U"\uFFFD\uFFFD\uFFFD");
}

TEST(PythonTextTest, DigitsOfEveryScriptAreDecimalAndOtherNumbersOnlyWordCharacters) {
  for (const char32_t digit : {U'7', U'\u0663', U'\u0968', U'\U0001D7DB'}) {
    EXPECT_TRUE(IsDecimal(digit) && IsWord(digit) && !IsWordButNoDecimal(digit));
  }
  for (const char32_t number : {U'\u00BD', U'\u00B2', U'\u2163', U'\u2460'}) {
    EXPECT_TRUE(!IsDecimal(number) && IsWordButNoDecimal(number));
  }
}

TEST(PythonTextTest, CombiningMarksAndSymbolsAreNoWordCharacters) {
  for (const char32_t c : {U'\u0301', U'\u0903', U'\U0001F600', U'\u2019', U'-'}) {
    EXPECT_FALSE(IsWord(c)) << static_cast<uint32_t>(c);
  }
}

TEST(PythonTextTest, CharactersNewerThanUnicode14AreUnassigned) {
  EXPECT_TRUE(IsWord(U'\U00010570'));   // Vithkuqi, Unicode 14
  EXPECT_FALSE(IsWord(U'\U0001E4D0'));  // Nag Mundari, Unicode 15
  EXPECT_FALSE(IsLower(U'\uA7F2'));     // lower case from Unicode 15 on
}

TEST(PythonTextTest, ASigmaAtTheEndOfAWordHasALowerCaseOfItsOwn) {
  EXPECT_EQ(Lower(U"ΣΑΣ ΑΣ. Σ"), U"σας ας. σ");
  EXPECT_EQ(Lower(U"ΑΣ'Α ΑΣ'"), U"ασ'α ας'");
}

TEST(PythonTextTest, LowerCaseMayBeLonger) { EXPECT_EQ(Lower(U"İA"), U"i\u0307a"); }

}  // namespace
}  // namespace rwku::metrics::python
