// The methods, one file each. `family` ("llama", "phi3", ...) is the model's: published settings
// may differ by it.
#pragma once

#include "absl/strings/string_view.h"

#include "benchmark/methods/method_info.h"

namespace rwku::methods {

MethodInfo OriginalMethod(absl::string_view family);
MethodInfo IcuMethod(absl::string_view family);
MethodInfo GaMethod(absl::string_view family);
MethodInfo NpoMethod(absl::string_view family);

}  // namespace rwku::methods
