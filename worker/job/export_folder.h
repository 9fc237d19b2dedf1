// Where a job's tuned weights go on this worker.
#pragma once

#include <filesystem>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rwku::job {

// `root`/`name`, free for an engine to make: its parent is there, what an earlier attempt left at
// it is gone. `root` is made if it is missing. INVALID_ARGUMENT for an empty root, which names the
// worker's flag, and for a name that would leave the root, by ".." or by a link.
absl::StatusOr<std::filesystem::path> MakeRoomForExport(const std::filesystem::path& root,
                                                        absl::string_view name);

}  // namespace rwku::job
