// Lists on the command line: targets, probe sets and seeds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rwku::cli {

// The entries of a comma-separated list in which an entry may stand in double quotes, with "" for a
// quote inside: `1-10,"King, Stephen"` is {1-10; King, Stephen}. White space around entries goes
// away. INVALID_ARGUMENT naming `flag` for an empty entry and for a quote that does not close.
absl::StatusOr<std::vector<std::string>> ParseList(absl::string_view flag, absl::string_view text);

// `text` as seeds: whole numbers from 0, or ranges of at most 10,000 such as "1-3".
absl::StatusOr<std::vector<uint64_t>> ParseSeeds(absl::string_view text);

}  // namespace rwku::cli
