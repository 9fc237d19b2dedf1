#include "benchmark/metrics/python_text.h"

#include <cstdint>

#include <unicode/uchar.h>

#include "base/utf8.h"

namespace rwku::metrics::python {
namespace {

constexpr char32_t kAsciiEnd = 0x80;
constexpr uint8_t kUnicodeMajor = 14;
constexpr char32_t kCapitalIWithDot = 0x130;
constexpr char32_t kCombiningDotAbove = 0x307;
constexpr char32_t kCapitalSigma = 0x3A3;
constexpr char32_t kFinalSigma = 0x3C2;

bool IsAssigned(char32_t c) {
  if (c < kAsciiEnd) {
    return true;
  }
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] != 0 && (age[0] < kUnicodeMajor || (age[0] == kUnicodeMajor && age[1] == 0));
}

int NumericType(char32_t c) {
  return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE);
}

bool Has(char32_t c, UProperty property) {
  return u_hasBinaryProperty(static_cast<UChar32>(c), property) != 0 && IsAssigned(c);
}

// Unicode's Final_Sigma: a cased letter before, none after, characters that case ignores between.
// Those runs are looked at once from each side, so that a text takes linear time.
bool EndsWord(std::u32string_view text, size_t sigma) {
  size_t before = sigma;
  while (before > 0 && Has(text[before - 1], UCHAR_CASE_IGNORABLE)) {
    --before;
  }
  if (before == 0 || !Has(text[before - 1], UCHAR_CASED)) {
    return false;
  }
  size_t after = sigma + 1;
  while (after < text.size() && Has(text[after], UCHAR_CASE_IGNORABLE)) {
    ++after;
  }
  return after == text.size() || !Has(text[after], UCHAR_CASED);
}

}  // namespace

std::u32string Decode(absl::string_view text) {
  constexpr char32_t kReplacement = 0xFFFD;
  std::u32string decoded;
  decoded.reserve(text.size());
  while (!text.empty()) {
    const size_t length = Utf8CharacterLength(text);
    const auto first = static_cast<uint8_t>(text.front());
    // A first byte of an n-byte character holds 7 - n bits of it, one alone all of its 7.
    char32_t c = length == 0   ? kReplacement
                 : length == 1 ? first
                               : first & ((1U << (7 - length)) - 1);
    for (size_t i = 1; i < length; ++i) {
      c = (c << 6) | (static_cast<uint8_t>(text[i]) & 0x3F);
    }
    decoded.push_back(c);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return decoded;
}

bool IsSpace(char32_t c) {
  return c == 0x20 || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F) || c == 0x85 ||
         c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsDecimal(char32_t c) {
  if (c < kAsciiEnd) {
    return c >= U'0' && c <= U'9';
  }
  return NumericType(c) == U_NT_DECIMAL && IsAssigned(c);
}

bool IsWord(char32_t c) {
  if (c < kAsciiEnd) {
    return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') || (c >= U'0' && c <= U'9') ||
           c == U'_';
  }
  return (u_isalpha(static_cast<UChar32>(c)) != 0 || NumericType(c) != U_NT_NONE) && IsAssigned(c);
}

bool IsWordButNoDecimal(char32_t c) { return IsWord(c) && !IsDecimal(c); }

bool IsUpper(char32_t c) { return Has(c, UCHAR_UPPERCASE); }

bool IsLower(char32_t c) {
  // Modifier letters that are lower case from Unicode 15 on.
  const bool is_later = c == 0x10FC || (c >= 0xA7F2 && c <= 0xA7F4) || c == 0xAB69;
  return !is_later && Has(c, UCHAR_LOWERCASE);
}

std::u32string Lower(std::u32string_view text) {
  std::u32string lower;
  lower.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == kCapitalIWithDot) {
      lower.push_back(U'i');
      lower.push_back(kCombiningDotAbove);
    } else if (c == kCapitalSigma && EndsWord(text, i)) {
      lower.push_back(kFinalSigma);
    } else {
      lower.push_back(IsAssigned(c) ? static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)))
                                    : c);
    }
  }
  return lower;
}

}  // namespace rwku::metrics::python
