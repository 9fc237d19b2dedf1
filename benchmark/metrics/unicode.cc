#include "benchmark/metrics/unicode.h"

#include <cstdint>
#include <limits>

#include "absl/strings/ascii.h"
#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "base/check.h"

namespace rwku::metrics {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// ICU counts bytes in 32 bits.
int32_t SizeForIcu(absl::string_view text) {
  RWKU_CHECK(text.size() <= static_cast<size_t>(std::numeric_limits<int32_t>::max()));
  return static_cast<int32_t>(text.size());
}

}  // namespace

Character DecodeCharacter(absl::string_view text, size_t at) {
  RWKU_CHECK(at < text.size());
  const absl::string_view rest = text.substr(at, U8_MAX_LENGTH);
  const auto length = static_cast<int32_t>(rest.size());
  int32_t next = 0;
  UChar32 code_point = 0;
  U8_NEXT_OR_FFFD(rest.data(), next, length, code_point);
  return {static_cast<char32_t>(code_point), static_cast<size_t>(next)};
}

std::u32string DecodeUtf8(absl::string_view text) {
  std::u32string decoded;
  decoded.reserve(text.size());
  size_t at = 0;
  while (at < text.size()) {
    const Character character = DecodeCharacter(text, at);
    decoded.push_back(character.code_point);
    at += character.length;
  }
  return decoded;
}

std::string EncodeUtf8(std::u32string_view text) {
  std::string encoded;
  encoded.reserve(text.size());
  for (const char32_t character : text) {
    const bool is_scalar = character <= UCHAR_MAX_VALUE && !U_IS_SURROGATE(character);
    const char32_t code_point = is_scalar ? character : kReplacement;
    char bytes[U8_MAX_LENGTH] = {};
    size_t length = 0;
    U8_APPEND_UNSAFE(bytes, length, code_point);
    encoded.append(bytes, length);
  }
  return encoded;
}

std::string Lower(absl::string_view text) {
  std::string lower;
  icu::StringByteSink<std::string> sink(&lower);
  UErrorCode error = U_ZERO_ERROR;
  constexpr const char* kRootLocale = "";
  icu::CaseMap::utf8ToLower(kRootLocale, 0, icu::StringPiece(text.data(), SizeForIcu(text)), sink,
                            nullptr, error);
  RWKU_CHECK(U_SUCCESS(error));
  return lower;
}

bool IsWordCharacter(char32_t code_point) {
  const auto category = u_charType(static_cast<UChar32>(code_point));
  constexpr uint32_t kLetterOrNumber = U_GC_L_MASK | U_GC_N_MASK;
  return (U_MASK(category) & kLetterOrNumber) != 0 || code_point == U'_';
}

bool IsEmoji(char32_t code_point) {
  const auto character = static_cast<UChar32>(code_point);
  return u_hasBinaryProperty(character, UCHAR_EXTENDED_PICTOGRAPHIC) != 0 ||
         u_hasBinaryProperty(character, UCHAR_EMOJI_PRESENTATION) != 0;
}

bool IsAsciiPunctuation(char32_t code_point) {
  return code_point < 0x80 && absl::ascii_ispunct(static_cast<unsigned char>(code_point));
}

}  // namespace rwku::metrics
