#include "worker/job/export_folder.h"

#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/file.h"
#include "base/status_macros.h"

namespace rwku::job {
namespace {

namespace fs = std::filesystem;

absl::Status Failed(absl::string_view what, const fs::path& path, const std::error_code& error) {
  const std::string message = absl::StrCat(what, " ", path.string(), ": ", error.message());
  return error == std::errc::no_space_on_device ? absl::ResourceExhaustedError(message)
                                                : absl::InternalError(message);
}

absl::Status NotBelow(absl::string_view name) {
  return absl::InvalidArgumentError(absl::StrCat(
      "export_folder: \"", name, "\" names no folder below the export root; e.g. run/job does"));
}

}  // namespace

absl::StatusOr<fs::path> MakeRoomForExport(const fs::path& root, absl::string_view name) {
  if (root.empty()) {
    return absl::InvalidArgumentError(
        "export_folder: this worker has no folder to keep weights in; start it with --export-root");
  }
  const fs::path relative{std::string(name)};
  for (const fs::path& part : relative) {
    if (part.empty() || part == ".") {
      return NotBelow(name);
    }
  }
  if (relative.empty()) {
    return NotBelow(name);
  }
  std::error_code error;
  fs::create_directories(root, error);
  if (error) {
    return Failed("make", root, error);
  }
  // Folder by folder, so that none is made behind a link that leads outside.
  fs::path so_far;
  for (const fs::path& part : relative) {
    so_far /= part;
    absl::StatusOr<fs::path> there = ResolveBelow(root, so_far.string(), "export folder");
    if (absl::IsNotFound(there.status())) {
      if (so_far == relative) {
        break;
      }
      fs::create_directory(root / so_far, error);
      if (error) {
        return Failed("make", root / so_far, error);
      }
      there = ResolveBelow(root, so_far.string(), "export folder");
    }
    RWKU_RETURN_IF_ERROR(there.status());
  }
  const fs::path folder = fs::canonical(root, error) / relative;
  fs::remove_all(folder, error);
  if (error) {
    return Failed("remove", folder, error);
  }
  return folder;
}

}  // namespace rwku::job
