// The text of published.json. CMake writes its definition.
#pragma once

#include "absl/strings/string_view.h"

namespace rwku::report {

extern const absl::string_view kPublishedJson;

}  // namespace rwku::report
