#include "server/auth/audit_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include <sys/stat.h>

#include "base/log.h"
#include "base/status_macros.h"

namespace rwku::auth {
namespace {

constexpr char kStandardError[] = "-";

std::string Line(const AuditRecord& record, absl::Time now) {
  std::string line = absl::StrCat(
      "{\"time\":\"", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", now, absl::UTCTimeZone()),
      "\",\"audit\":true");
  for (const auto& [key, value] :
       {std::pair{"identity", &record.identity}, std::pair{"role", &record.role},
        std::pair{"certificate", &record.certificate}, std::pair{"peer", &record.peer},
        std::pair{"method", &record.method}, std::pair{"resource", &record.resource},
        std::pair{"outcome", &record.outcome}, std::pair{"message", &record.message}}) {
    absl::StrAppend(&line, ",\"", key, "\":\"", JsonEscape(*value), "\"");
  }
  if (record.count != 1) {
    absl::StrAppend(&line, ",\"count\":", record.count);
  }
  line += "}\n";
  return line;
}

// Writes all of `bytes`, or says why not; takes what was written off them.
absl::Status WriteAll(int fd, absl::string_view* bytes) {
  while (!bytes->empty()) {
    const ssize_t written = write(fd, bytes->data(), bytes->size());
    if (written > 0) {
      bytes->remove_prefix(static_cast<size_t>(written));
    } else if (written == 0) {
      return absl::DataLossError("nothing was taken");
    } else if (errno != EINTR) {
      return absl::ErrnoToStatus(errno, "write");
    }
  }
  return absl::OkStatus();
}

// Whether the file's last line was cut: the disk was full when the process before this one ended.
bool EndsWithinLine(const std::string& path, off_t size) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char last = '\n';
  if (fd >= 0) {
    if (size > 0 && pread(fd, &last, 1, size - 1) != 1) {
      last = '\n';
    }
    close(fd);
  }
  return last != '\n';
}

}  // namespace

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(const std::string& path,
                                                         const Clock* clock) {
  std::unique_ptr<AuditLog> log(new AuditLog(path, clock));
  const absl::MutexLock lock(&log->mu_);
  RWKU_RETURN_IF_ERROR(log->Reopen());
  return log;
}

AuditLog::~AuditLog() {
  if (fd_ > STDERR_FILENO) {
    close(fd_);
  }
}

absl::Status AuditLog::Reopen() {
  if (path_ == kStandardError) {
    fd_ = STDERR_FILENO;
    return absl::OkStatus();
  }
  constexpr mode_t kOwner = 0600;
  const int fd = open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kOwner);
  if (fd < 0) {
    return absl::Status(
        absl::ErrnoToStatusCode(errno),
        absl::StrCat("--audit-log: cannot open ", path_, ": ", std::strerror(errno)));
  }
  if (fd_ >= 0) {
    close(fd_);
  }
  fd_ = fd;
  struct stat info {};
  fstat(fd, &info);
  device_ = static_cast<uint64_t>(info.st_dev);
  inode_ = static_cast<uint64_t>(info.st_ino);
  within_line_ = S_ISREG(info.st_mode) && EndsWithinLine(path_, info.st_size);
  return absl::OkStatus();
}

void AuditLog::Write(const AuditRecord& record) {
  std::string line = Line(record, clock_->Now());
  absl::Status status;
  {
    const absl::MutexLock lock(&mu_);
    if (within_line_) {
      line.insert(line.begin(), '\n');
    }
    absl::string_view rest = line;
    status = WriteAll(fd_, &rest);
    // After the first byte of a line, or of the line break before it, that line is begun.
    const size_t written = line.size() - rest.size();
    if (written > (within_line_ ? 1U : 0U)) {
      within_line_ = !status.ok();
    } else if (written > 0) {
      within_line_ = false;
    }
  }
  if (!status.ok()) {
    RWKU_LOG(kError, "an audit line was lost")
        .With("error", status.message())
        .With("method", record.method)
        .With("identity", record.identity);
  }
}

void AuditLog::Poll() {
  if (path_ == kStandardError) {
    return;
  }
  const net::FileStamp now = net::StampOf(path_);
  const absl::MutexLock lock(&mu_);
  if (now.device == device_ && now.inode == inode_) {
    return;
  }
  if (const absl::Status status = Reopen(); !status.ok()) {
    RWKU_LOG(kError, "the audit log goes on in the old file").With("error", status.message());
  }
}

std::string CodeName(int code) {
  return absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
}

}  // namespace rwku::auth
