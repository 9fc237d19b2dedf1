#include "net/security/token_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/status_macros.h"

namespace rwku::net {
namespace {

constexpr mode_t kOwnerOnly = 0600;

absl::Status Failed(absl::string_view action, const std::string& path) {
  return absl::Status(absl::ErrnoToStatusCode(errno),
                      absl::StrCat("cannot ", action, " ", path, ": ", std::strerror(errno)));
}

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// The file at `path`, made if it is not there, held until it is closed.
absl::StatusOr<File> Lock(const std::string& path) {
  while (true) {
    File file(open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, kOwnerOnly));
    if (file.get() < 0) {
      return Failed("open", path);
    }
    if (flock(file.get(), LOCK_EX) != 0) {
      return Failed("lock", path);
    }
    // Who held it before may have put another file into its place.
    struct stat held {};
    struct stat there {};
    if (fstat(file.get(), &held) != 0) {
      return Failed("look at", path);
    }
    if (stat(path.c_str(), &there) == 0 && held.st_ino == there.st_ino &&
        held.st_dev == there.st_dev) {
      return file;
    }
  }
}

// Puts `contents` into the place of `old`, with its mode and owner.
absl::Status Replace(const std::string& path, int old, const std::string& contents) {
  struct stat info {};
  if (fstat(old, &info) != 0) {
    return Failed("look at", path);
  }
  const std::string temporary = absl::StrCat(path, ".tmp.", getpid());
  const File file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kOwnerOnly));
  if (file.get() < 0) {
    return Failed("create", temporary);
  }
  // Only root may give a file away; others own it already.
  [[maybe_unused]] const int ignored = fchown(file.get(), info.st_uid, info.st_gid);
  absl::Status status;
  if (fchmod(file.get(), info.st_mode & 0777U) != 0 ||
      write(file.get(), contents.data(), contents.size()) !=
          static_cast<ssize_t>(contents.size()) ||
      fsync(file.get()) != 0) {
    status = Failed("write", temporary);
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return RenameDurably(temporary, path);
}

}  // namespace

absl::StatusOr<std::vector<TokenRecord>> ReadTokens(const std::string& path) {
  RWKU_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return ParseTokens(text, path);
}

absl::Status EditTokens(const std::string& path,
                        const std::function<absl::Status(std::vector<TokenRecord>*)>& edit) {
  // Where `path` is a link the file that it leads to is edited.
  std::error_code error;
  const std::filesystem::path real = std::filesystem::weakly_canonical(path, error);
  const std::string target = error ? path : real.string();
  RWKU_ASSIGN_OR_RETURN(const File held, Lock(target));
  RWKU_ASSIGN_OR_RETURN(const std::string text, ReadFile(target));
  std::vector<TokenRecord> tokens;
  if (!text.empty()) {
    RWKU_ASSIGN_OR_RETURN(tokens, ParseTokens(text, path));
  }
  if (absl::Status status = edit(&tokens); !status.ok()) {
    if (text.empty()) {
      unlink(target.c_str());  // made by Lock
    }
    return status;
  }
  return Replace(target, held.get(), FormatTokens(tokens));
}

}  // namespace rwku::net
