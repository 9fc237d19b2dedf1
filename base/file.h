// Files: whole reads, atomic durable writes, and names that cannot leave their root.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rwku {

// The whole file. NOT_FOUND, PERMISSION_DENIED or INTERNAL name the path and the system's reason.
absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path);

// Writes `contents` so that a crash leaves the old file or the new one: temporary, fsync, rename,
// fsync of the folder. RESOURCE_EXHAUSTED when the disk is full; the old file is then untouched.
absl::Status WriteFileAtomically(const std::filesystem::path& path, absl::string_view contents);

// The same of contents that come piece by piece. Not thread-safe.
class AtomicFileWriter {
 public:
  static absl::StatusOr<AtomicFileWriter> Create(const std::filesystem::path& path);

  AtomicFileWriter(AtomicFileWriter&& other) noexcept;
  AtomicFileWriter& operator=(AtomicFileWriter&&) = delete;
  // Leaves the old file, and no temporary one, unless Commit() was called.
  ~AtomicFileWriter();

  absl::Status Append(absl::string_view contents);
  // Puts the new file in the old one's place. Call once, last.
  absl::Status Commit();

 private:
  AtomicFileWriter(std::filesystem::path path, std::filesystem::path temporary, int descriptor);

  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty: there is none any more
  int descriptor_;                   // below 0: closed
};

// Renames a file or folder within one file system, replacing a file or an empty folder, so that a
// crash after it does not undo it. Errors name both paths.
absl::Status RenameDurably(const std::filesystem::path& from, const std::filesystem::path& to);

// `root`/`name` with every link resolved, if that lies below `root` and exists. `name` is relative
// and may hold folders, commas, dots and non-ASCII letters. INVALID_ARGUMENT for "..", absolute
// names, NUL, control characters and links that lead outside; NOT_FOUND where nothing is. `what`
// ("model", "dataset") names the thing in messages.
absl::StatusOr<std::filesystem::path> ResolveBelow(const std::filesystem::path& root,
                                                   absl::string_view name, absl::string_view what);

}  // namespace rwku
