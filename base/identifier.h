// The rule for names of workers and for every other part of a resource name.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace rwku {

inline constexpr size_t kMaxIdentifierBytes = 64;

// Letters and digits of ASCII, '.', '_' and '-'.
bool IsIdentifierCharacter(char c);

// 1 to kMaxIdentifierBytes such characters.
bool IsIdentifier(absl::string_view text);

}  // namespace rwku
