// Pages of list methods: sizes and opaque tokens.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rwku::service {

inline constexpr int kMaxPageSize = 1000;
// A page ends early at this size, so that it fits into a message.
inline constexpr size_t kPageBytes = size_t{3} << 20U;

// The number of entries to send: `fallback` for 0, at most 1000. INVALID_ARGUMENT for a negative
// size.
absl::StatusOr<size_t> PageSize(int requested, int fallback);

// A token that carries where the next page starts. `scope` names what is listed, so that a token
// of another list is refused.
std::string MakePageToken(absl::string_view scope, const std::vector<uint64_t>& position);

// The position of a token with `count` numbers; all zero for an empty token. INVALID_ARGUMENT for
// one that was not made for `scope`.
absl::StatusOr<std::vector<uint64_t>> ParsePageToken(absl::string_view token,
                                                     absl::string_view scope, size_t count);

}  // namespace rwku::service
