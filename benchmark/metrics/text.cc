#include "benchmark/metrics/text.h"

#include "benchmark/metrics/unicode.h"

namespace rwku::metrics {
namespace {

// The characters for which Python's str.isspace() holds.
bool IsSpace(char32_t c) {
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
    const Character next = DecodeCharacter(text, at);
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
