// Who did what: one JSON object a line for every call that changes something and for every refusal.
//
//   {"time":"2026-01-02T03:04:05.678Z","audit":true,"identity":"ci","role":"submitter",
//    "certificate":"","peer":"ipv4:10.0.0.7:51234","method":"/rwku.v1.UnlearningService/CreateRun",
//    "resource":"runs/r0000000a","outcome":"OK","message":""}
//
// A line that stands for several refusals ends with "count":N.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

#include "base/clock.h"
#include "net/security/file_stamp.h"

namespace rwku::auth {

struct AuditRecord {
  std::string identity;     // id of the token whose secret was right; empty: nobody known
  std::string role;         // of the token; empty: none
  std::string certificate;  // subject of the verified client certificate; empty: none
  std::string peer;         // address; empty for refusals, which gRPC makes before it tells it
  std::string method;       // "/rwku.v1.UnlearningService/CreateRun"
  std::string resource;  // "runs/...", "runs/.../jobs/...", "workers/..."; empty: none or unknown
  std::string outcome;   // "OK", "OPEN" (a stream that goes on) or the name of a status code
  std::string message;   // of a refusal or an error
  int64_t count = 1;     // calls that the line stands for
};

// Thread-safe.
class AuditLog {
 public:
  // Appends to the file `path`, made with mode 0600 if it is not there; "-" is standard error.
  // Errors name --audit-log. `clock` outlives this.
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(const std::string& path,
                                                        const Clock* clock);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  // One write(2) a line, unless the system takes only a part of it. A line that cannot be written
  // is said in the log, and lost; the next one begins a line of its own.
  void Write(const AuditRecord& record) ABSL_LOCKS_EXCLUDED(mu_);

  // Opens the file anew if it was moved away or removed, as rotation does; no signal is needed.
  void Poll() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  AuditLog(std::string path, const Clock* clock) : path_(std::move(path)), clock_(clock) {}
  absl::Status Reopen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string path_;
  const Clock* const clock_;
  absl::Mutex mu_;
  int fd_ ABSL_GUARDED_BY(mu_) = -1;
  // Of the open file, by which one that took its place is told from it.
  uint64_t device_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t inode_ ABSL_GUARDED_BY(mu_) = 0;
  bool within_line_ ABSL_GUARDED_BY(mu_) = false;  // the last line was cut
};

// "OK", "PERMISSION_DENIED", ... for the number of a canonical code.
std::string CodeName(int code);

}  // namespace rwku::auth
