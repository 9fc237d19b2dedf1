#include "base/utf8.h"

#include <string>

#include "gtest/gtest.h"

namespace rwku {
namespace {

struct Utf8Case {
  const char* name;
  std::string text;
  size_t length;
};

class Utf8CharacterLengthTest : public ::testing::TestWithParam<Utf8Case> {};

TEST_P(Utf8CharacterLengthTest, IsThatOfTheFrontCharacter) {
  EXPECT_EQ(Utf8CharacterLength(GetParam().text), GetParam().length);
}

INSTANTIATE_TEST_SUITE_P(Cases, Utf8CharacterLengthTest,
                         ::testing::Values(Utf8Case{"Empty", "", 0}, Utf8Case{"Ascii", "ab", 1},
                                           Utf8Case{"TwoBytes", "\xc3\xa9x", 2},
                                           Utf8Case{"Euro", "\xe2\x82\xac", 3},
                                           Utf8Case{"Emoji", "\xf0\x9f\x98\x80", 4},
                                           Utf8Case{"Truncated", "\xe2\x82", 0},
                                           Utf8Case{"Continuation", "\x82", 0},
                                           Utf8Case{"Overlong", "\xc0\xaf", 0},
                                           Utf8Case{"OverlongThree", "\xe0\x80\xaf", 0},
                                           Utf8Case{"Surrogate", "\xed\xa0\x80", 0},
                                           Utf8Case{"TooLarge", "\xf4\x90\x80\x80", 0},
                                           Utf8Case{"Interrupted", "\xe2(\xac", 0}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rwku
