#include "base/utf8.h"

#include <cstdint>

namespace rwku {

size_t Utf8CharacterLength(absl::string_view text) {
  if (text.empty()) {
    return 0;
  }
  const auto first = static_cast<uint8_t>(text.front());
  if (first < 0x80) {
    return 1;
  }
  const size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                        : first >= 0xe0 && first <= 0xef ? 3
                        : first >= 0xf0 && first <= 0xf4 ? 4
                                                         : 0;
  if (length == 0 || length > text.size()) {
    return 0;
  }
  // The second byte's range is what excludes overlong forms, surrogates and too large values.
  const uint8_t lowest = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const uint8_t highest = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  for (size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte < (i == 1 ? lowest : 0x80) || byte > (i == 1 ? highest : 0xbf)) {
      return 0;
    }
  }
  return length;
}

}  // namespace rwku
