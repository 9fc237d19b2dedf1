// Characters as Python 3.11's str and re classify them (Unicode 14.0, whatever ICU's version).
//
// Characters that later versions of Unicode added count as unassigned, as they do there.
#pragma once

#include <string>
#include <string_view>

#include "absl/strings/string_view.h"

namespace rwku::metrics::python {

// The code points of UTF-8. Every byte that belongs to no valid character becomes U+FFFD.
std::u32string Decode(absl::string_view text);

// re's \s, which is also str.isspace().
bool IsSpace(char32_t c);
// re's \d.
bool IsDecimal(char32_t c);
// re's \w.
bool IsWord(char32_t c);
// [^\W\d]: what a regular expression calls a letter.
bool IsWordButNoDecimal(char32_t c);
// str.isupper() and str.islower() of one character.
bool IsUpper(char32_t c);
bool IsLower(char32_t c);

// str.lower(), in linear time.
std::u32string Lower(std::u32string_view text);

}  // namespace rwku::metrics::python
