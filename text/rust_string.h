// Between the C ABI's views and owned buffers and C++'s strings.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "text/rwku_text.h"

namespace rwku::text {

inline rwku_text_view ToView(absl::string_view text) { return {text.data(), text.size()}; }

// Copies and frees.
std::string TakeString(rwku_text_string string);

// The ABI's failure as a status; takes `error`. `what` is put in front.
absl::Status TakeError(rwku_text_code code, absl::string_view what, rwku_text_string error);

}  // namespace rwku::text
