// Ranges of decoder layers as text.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "benchmark/methods/recipe.h"

namespace rwku::methods {

// "0-4": layers 0 to 3. INVALID_ARGUMENT says what was found and what is allowed.
absl::StatusOr<Layers> ParseLayers(absl::string_view text);

// "0-4".
std::string LayersText(const Layers& layers);

}  // namespace rwku::methods
