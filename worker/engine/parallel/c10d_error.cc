#include "worker/engine/parallel/c10d_error.h"

#include "absl/strings/string_view.h"
#include <c10/util/Exception.h>

namespace rwku::engine {

std::string C10dMessage(const std::exception& error) {
  const auto* const torch_error = dynamic_cast<const c10::Error*>(&error);
  const absl::string_view what =
      torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  return std::string(what.substr(0, what.find('\n')));
}

}  // namespace rwku::engine
