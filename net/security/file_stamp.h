// Whether a file was changed since one looked, and whether strangers may read or write it.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace rwku::net {

// Equal stamps: the same contents, owner and mode, as far as the file system tells. Links are
// followed, so that a folder that is swapped by its link (as Kubernetes does with Secrets) changes
// the stamp. All zero where there is no file.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t size = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;  // contents, owner, mode or name

  bool operator==(const FileStamp&) const = default;
};

FileStamp StampOf(const std::string& path);

// FAILED_PRECONDITION that names `flag`, the file and its mode if users beside the owner and the
// group may read or write it; NOT_FOUND or PERMISSION_DENIED if it cannot be looked at.
absl::Status CheckNotForAll(const std::string& flag, const std::string& path);

// The same if they may write it; for files that hold no secret.
absl::Status CheckNotWritableForAll(const std::string& flag, const std::string& path);

}  // namespace rwku::net
