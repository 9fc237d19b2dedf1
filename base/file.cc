#include "base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <sys/stat.h>

#include "base/status_macros.h"

namespace rwku {
namespace {

namespace fs = std::filesystem;

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

absl::Status ErrnoStatus(int error, absl::string_view action, const fs::path& path) {
  const std::string message =
      absl::StrCat("cannot ", action, " ", path.string(), ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT) {
    return absl::ResourceExhaustedError(message);
  }
  return absl::Status(absl::ErrnoToStatusCode(error), message);
}

absl::Status WriteAll(int fd, absl::string_view contents, const fs::path& path) {
  while (!contents.empty()) {
    const ssize_t written = write(fd, contents.data(), contents.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return ErrnoStatus(errno, "write", path);
    }
    contents.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status SyncFolder(const fs::path& folder) {
  const FileDescriptor fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok() || fsync(fd.get()) != 0) {
    return ErrnoStatus(errno, "sync folder", folder);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const fs::path& path) {
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) {
    return ErrnoStatus(errno, "open", path);
  }
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) {
    return ErrnoStatus(errno, "stat", path);
  }
  if (S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read ", path.string(), ": it is a folder"));
  }
  std::string contents;
  contents.resize(static_cast<size_t>(info.st_size));
  size_t filled = 0;
  while (true) {
    if (filled == contents.size()) {
      contents.resize(contents.size() + 4096);  // grew while we read, or a file without a size
    }
    const ssize_t got = read(fd.get(), contents.data() + filled, contents.size() - filled);
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      return ErrnoStatus(errno, "read", path);
    }
    if (got == 0) {
      break;
    }
    filled += static_cast<size_t>(got);
  }
  contents.resize(filled);
  return contents;
}

absl::StatusOr<AtomicFileWriter> AtomicFileWriter::Create(const fs::path& path) {
  fs::path temporary = absl::StrCat(path.string(), ".tmp.", getpid());
  const int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    return ErrnoStatus(errno, "create", temporary);
  }
  return AtomicFileWriter(path, std::move(temporary), descriptor);
}

AtomicFileWriter::AtomicFileWriter(fs::path path, fs::path temporary, int descriptor)
    : path_(std::move(path)), temporary_(std::move(temporary)), descriptor_(descriptor) {}

AtomicFileWriter::AtomicFileWriter(AtomicFileWriter&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

AtomicFileWriter::~AtomicFileWriter() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
  if (!temporary_.empty()) {
    unlink(temporary_.c_str());
  }
}

absl::Status AtomicFileWriter::Append(absl::string_view contents) {
  return WriteAll(descriptor_, contents, temporary_);
}

absl::Status AtomicFileWriter::Commit() {
  if (fsync(descriptor_) != 0) {
    return ErrnoStatus(errno, "sync", temporary_);
  }
  if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    return ErrnoStatus(errno, "rename to", path_);
  }
  temporary_.clear();
  return SyncFolder(path_.has_parent_path() ? path_.parent_path() : fs::path("."));
}

absl::Status WriteFileAtomically(const fs::path& path, absl::string_view contents) {
  RWKU_ASSIGN_OR_RETURN(AtomicFileWriter file, AtomicFileWriter::Create(path));
  RWKU_RETURN_IF_ERROR(file.Append(contents));
  return file.Commit();
}

absl::Status RenameDurably(const fs::path& from, const fs::path& to) {
  if (rename(from.c_str(), to.c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("rename ", from.string(), " to"), to);
  }
  return SyncFolder(to.has_parent_path() ? to.parent_path() : fs::path("."));
}

absl::StatusOr<fs::path> ResolveBelow(const fs::path& root, absl::string_view name,
                                      absl::string_view what) {
  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(
        what, " name \"", name, "\": ", why, "; allowed is a relative name below ", root.string()));
  };
  if (name.empty()) {
    return refuse("it is empty");
  }
  if (std::any_of(name.begin(), name.end(),
                  [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return absl::InvalidArgumentError(absl::StrCat(what, " name holds a control character"));
  }
  const fs::path relative{std::string(name)};
  if (relative.is_absolute()) {
    return refuse("it is absolute");
  }
  for (const fs::path& part : relative) {
    if (part == "..") {
      return refuse("it leaves its folder by \"..\"");
    }
  }
  std::error_code error;
  const fs::path real_root = fs::canonical(root, error);
  if (error) {
    return absl::NotFoundError(absl::StrCat(what, " root ", root.string(), ": ", error.message()));
  }
  const fs::path real = fs::canonical(real_root / relative, error);
  if (error) {
    return absl::NotFoundError(
        absl::StrCat(what, " \"", name, "\" not found below ", root.string()));
  }
  const auto [root_end, ignored] =
      std::mismatch(real_root.begin(), real_root.end(), real.begin(), real.end());
  if (root_end != real_root.end()) {
    return refuse("it is a link that leads outside");
  }
  return real;
}

}  // namespace rwku
