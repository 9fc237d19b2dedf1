#include "benchmark/metrics/text.h"

#include <cstdint>

namespace rwku::metrics {
namespace {

struct Decoded {
  uint32_t code_point = 0;
  size_t length = 1;
};

// The character that starts at `at`. Only lengths 1 to 3 are told apart: no white space is longer,
// and a byte that starts nothing known is passed over by itself.
Decoded Decode(absl::string_view text, size_t at) {
  const auto byte = [&](size_t i) -> uint32_t { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  constexpr uint32_t kLow6 = 0x3F;
  const uint32_t first = byte(at);
  Decoded decoded{first < 0x80 ? first : 0xFFFD, 1};
  if ((first & 0xE0) == 0xC0 && continues(at + 1)) {
    const uint32_t code_point = ((first & 0x1F) << 6) | (byte(at + 1) & kLow6);
    if (code_point >= 0x80) {
      decoded = {code_point, 2};
    }
  } else if ((first & 0xF0) == 0xE0 && continues(at + 1) && continues(at + 2)) {
    const uint32_t code_point =
        ((first & 0x0F) << 12) | ((byte(at + 1) & kLow6) << 6) | (byte(at + 2) & kLow6);
    if (code_point >= 0x800) {
      decoded = {code_point, 3};
    }
  }
  return decoded;
}

// The characters for which Python's str.isspace() holds.
bool IsSpace(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

}  // namespace

std::vector<absl::string_view> SplitWords(absl::string_view text) {
  std::vector<absl::string_view> words;
  size_t start = 0;
  size_t at = 0;
  while (at < text.size()) {
    const Decoded next = Decode(text, at);
    if (IsSpace(next.code_point)) {
      if (at > start) {
        words.push_back(text.substr(start, at - start));
      }
      start = at + next.length;
    }
    at += next.length;
  }
  if (start < text.size()) {
    words.push_back(text.substr(start));
  }
  return words;
}

absl::string_view StripWhitespace(absl::string_view text) {
  const std::vector<absl::string_view> words = SplitWords(text);
  if (words.empty()) {
    return text.substr(0, 0);
  }
  const char* const first = words.front().data();
  const char* const last = words.back().data() + words.back().size();
  return text.substr(static_cast<size_t>(first - text.data()), static_cast<size_t>(last - first));
}

bool IsBlank(absl::string_view text) { return SplitWords(text).empty(); }

}  // namespace rwku::metrics
