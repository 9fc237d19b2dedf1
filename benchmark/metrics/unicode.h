// Characters as Python's str knows them, over UTF-8: decoding, lower case, what makes a word.
//
// A sequence of bytes that is no UTF-8 counts as one U+FFFD (the longest beginning of a character,
// or a single byte), as bytes.decode("utf-8", "replace") has it. Texts are below 2 GiB.
#pragma once

#include <string>
#include <string_view>

#include "absl/strings/string_view.h"

namespace rwku::metrics {

struct Character {
  char32_t code_point = 0;
  size_t length = 0;  // bytes that it takes
};

// The character of `text` that starts at byte `at`, which must be below text.size().
Character DecodeCharacter(absl::string_view text, size_t at);

// The code points of `text`.
std::u32string DecodeUtf8(absl::string_view text);

// The reverse; surrogates and numbers that are no code points become U+FFFD.
std::string EncodeUtf8(std::u32string_view text);

// str.lower(): Unicode's full mapping in the root locale. U+0130 becomes an i and a combining dot,
// a capital sigma at the end of a word a final one.
std::string Lower(absl::string_view text);

// Whether \w of a Unicode pattern matches: a letter (category L), a number (category N) or "_".
// Combining marks are none.
bool IsWordCharacter(char32_t code_point);

// Whether `code_point` shows as a picture (Unicode's Extended_Pictographic and Emoji_Presentation:
// faces, hearts, halves of flags). The digits and marks that only form emoji with others are none.
bool IsEmoji(char32_t code_point);

// Whether `code_point` is in string.punctuation: the 32 of ASCII.
bool IsAsciiPunctuation(char32_t code_point);

}  // namespace rwku::metrics
