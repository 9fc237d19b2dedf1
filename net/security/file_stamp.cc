#include "net/security/file_stamp.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include <sys/stat.h>

namespace rwku::net {

FileStamp StampOf(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return {};
  }
  constexpr int64_t kNanoseconds = 1'000'000'000;
  return {.device = static_cast<uint64_t>(info.st_dev),
          .inode = static_cast<uint64_t>(info.st_ino),
          .size = static_cast<int64_t>(info.st_size),
          .modified_ns = static_cast<int64_t>(info.st_mtim.tv_sec) * kNanoseconds +
                         static_cast<int64_t>(info.st_mtim.tv_nsec)};
}

absl::Status CheckNotForAll(const std::string& flag, const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return absl::Status(absl::ErrnoToStatusCode(errno),
                        absl::StrCat(flag, ": cannot read ", path, ": ", std::strerror(errno)));
  }
  constexpr mode_t kOthers = S_IROTH | S_IWOTH;
  if ((info.st_mode & kOthers) != 0) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s: %s has the mode %04o, so every user of this machine may read or write "
                        "it; allowed are the owner and its group (chmod 600)",
                        flag, path, info.st_mode & 07777U));
  }
  return absl::OkStatus();
}

}  // namespace rwku::net
