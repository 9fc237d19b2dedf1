// Files of this folder that travel inside the library. CMake writes their definitions.
#pragma once

#include "absl/strings/string_view.h"

namespace rwku::report {

extern const absl::string_view kPublishedJson;  // published.json
extern const absl::string_view kPageCss;        // page.css

}  // namespace rwku::report
