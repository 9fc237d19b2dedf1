// Which folders of models and datasets the runs in a data folder belong to. A run names its model
// and dataset below them: under other roots it would end on other weights, or not at all.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "client/client.h"

namespace rwku::local {

// Paths as CanonicalFolder gives them.
struct Roots {
  std::string models;
  std::string datasets;

  friend bool operator==(const Roots&, const Roots&) = default;
};

// The absolute path of `folder`, with links resolved as far as it exists.
std::string CanonicalFolder(const std::filesystem::path& folder);

// The roots recorded in `data_dir`; nullopt if there are none. INVALID_ARGUMENT naming the file if
// it cannot be understood.
absl::StatusOr<std::optional<Roots>> ReadRoots(const std::filesystem::path& data_dir);

// Records `roots` in `data_dir` for work on the store that `client` reaches. FAILED_PRECONDITION
// naming both if others are recorded while the store holds unfinished runs, which belong to those.
// The caller holds the store, so that nobody else claims it meanwhile.
absl::Status ClaimRoots(const std::filesystem::path& data_dir, const Roots& roots,
                        client::Client& client);

}  // namespace rwku::local
