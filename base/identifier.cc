#include "base/identifier.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace rwku {

bool IsIdentifierCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
}

bool IsIdentifier(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxIdentifierBytes &&
         std::all_of(text.begin(), text.end(), IsIdentifierCharacter);
}

}  // namespace rwku
