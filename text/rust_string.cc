#include "text/rust_string.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace rwku::text {

std::string TakeString(rwku_text_string string) {
  std::string copy(string.data == nullptr ? "" : string.data, string.length);
  rwku_text_string_free(string);
  return copy;
}

absl::Status TakeError(rwku_text_code code, absl::string_view what, rwku_text_string error) {
  const std::string message = absl::StrCat(what, ": ", TakeString(error));
  return code == RWKU_TEXT_INVALID ? absl::InvalidArgumentError(message)
                                   : absl::InternalError(message);
}

}  // namespace rwku::text
