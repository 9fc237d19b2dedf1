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
  line += "}\n";
  return line;
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
  return absl::OkStatus();
}

void AuditLog::Write(const AuditRecord& record) {
  const std::string line = Line(record, clock_->Now());
  const absl::MutexLock lock(&mu_);
  if (write(fd_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    RWKU_LOG(kError, "an audit line was lost")
        .With("error", std::strerror(errno))
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
