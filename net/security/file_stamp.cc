#include "net/security/file_stamp.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include <sys/stat.h>

namespace rwku::net {

namespace {

int64_t Nanoseconds(const timespec& time) {
  constexpr int64_t kNanoseconds = 1'000'000'000;
  return static_cast<int64_t>(time.tv_sec) * kNanoseconds + static_cast<int64_t>(time.tv_nsec);
}

// FAILED_PRECONDITION if the file has one of the bits `forbidden`, which `problem` and `remedy`
// explain.
absl::Status CheckMode(const std::string& flag, const std::string& path, mode_t forbidden,
                       const char* problem, const char* remedy) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return absl::Status(absl::ErrnoToStatusCode(errno),
                        absl::StrCat(flag, ": cannot read ", path, ": ", std::strerror(errno)));
  }
  if ((info.st_mode & forbidden) != 0) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s: %s has the mode %04o, so every user of this machine may %s; %s", flag,
                        path, info.st_mode & 07777U, problem, remedy));
  }
  return absl::OkStatus();
}

}  // namespace

FileStamp StampOf(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return {};
  }
  return {.device = static_cast<uint64_t>(info.st_dev),
          .inode = static_cast<uint64_t>(info.st_ino),
          .size = static_cast<int64_t>(info.st_size),
          .modified_ns = Nanoseconds(info.st_mtim),
          .changed_ns = Nanoseconds(info.st_ctim)};
}

absl::Status CheckNotForAll(const std::string& flag, const std::string& path) {
  return CheckMode(flag, path, S_IROTH | S_IWOTH, "read or write it",
                   "allowed are the owner and its group (chmod 600)");
}

absl::Status CheckNotWritableForAll(const std::string& flag, const std::string& path) {
  return CheckMode(flag, path, S_IWOTH, "write it",
                   "take that right away from the others (chmod o-w)");
}

}  // namespace rwku::net
