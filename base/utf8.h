// Characters of UTF-8 text that may not be UTF-8.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace rwku {

// Bytes of the character at the front of `text`; 0 if there is none that is valid (RFC 3629: no
// overlong forms, no surrogates, nothing above U+10FFFF).
size_t Utf8CharacterLength(absl::string_view text);

}  // namespace rwku
