// Checks records that a dataset does not hold yet.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "benchmark/dataset/probe_set.h"

namespace rwku::dataset {

// OK if `text` is a JSON object that loads as a record of `set` whose subject is `subject`.
// INVALID_ARGUMENT, beginning with `name`, names the field that is wrong.
absl::Status CheckProbeRecord(ProbeSet set, absl::string_view text, absl::string_view subject,
                              absl::string_view name);

}  // namespace rwku::dataset
