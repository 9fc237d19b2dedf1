// Which request of a call an error is about, carried inside the status.
#pragma once

#include <cstddef>
#include <optional>

#include "absl/status/status.h"

namespace rwku::evaluate {

// `status` (not OK) as the error of request `index` of a call.
absl::Status RequestError(size_t index, const absl::Status& status);

// The index that RequestError put in; nullopt where the status is about no single request.
std::optional<size_t> RequestOf(const absl::Status& status);

// The same error where the requests of its call come after `before` others.
absl::Status AfterRequests(size_t before, const absl::Status& status);

}  // namespace rwku::evaluate
