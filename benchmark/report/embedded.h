// Files of this folder that travel inside the library. CMake writes their definitions.
#pragma once

#include "absl/strings/string_view.h"

namespace rwku::report {

absl::string_view PublishedJson();  // published.json
absl::string_view PageCss();        // page.css

}  // namespace rwku::report
