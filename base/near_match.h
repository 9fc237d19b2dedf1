// "Did you mean": the known names nearest to an unknown one.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rwku {

// Up to `limit` of `known` whose edit distance (case-insensitive) to `name` is small, nearest
// first; names that contain `name` count as near.
std::vector<std::string> NearMatches(absl::string_view name, const std::vector<std::string>& known,
                                     size_t limit = 3);

// `unknown model "lama"; did you mean "llama"? known: a, b, c` (at most 12 known names are listed).
std::string UnknownNameMessage(absl::string_view what, absl::string_view name,
                               const std::vector<std::string>& known);

}  // namespace rwku
