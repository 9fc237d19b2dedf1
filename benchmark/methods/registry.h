// The methods that there are.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "benchmark/methods/method_info.h"

namespace rwku::methods {

// All methods with their defaults for models of `family` ("llama", "phi3", ...; any name is taken,
// an unknown family gets the settings published for Llama 3). In the order of the paper's table.
std::vector<MethodInfo> ListMethods(absl::string_view family);

// INVALID_ARGUMENT with near matches for an unknown name.
absl::StatusOr<MethodInfo> FindMethod(absl::string_view name, absl::string_view family);

}  // namespace rwku::methods
