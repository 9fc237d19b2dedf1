// Refusals on their way to the audit log: who is refused all the time does not fill the disk.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#include "base/clock.h"
#include "server/auth/audit_log.h"

namespace rwku::auth {

// Lines of the same outcome and identity in one second: the rest of them is counted, and the count
// is a line once the second is over, with the other fields of the last. Those who are refused
// because they call too often are told of in one line a second.
inline constexpr int kRefusalsASecond = 10;

// Thread-safe.
class RefusalLog {
 public:
  // Both outlive this.
  RefusalLog(AuditLog* audit, const Clock* clock) : audit_(audit), clock_(clock) {}
  // Writes what is counted.
  ~RefusalLog();
  RefusalLog(const RefusalLog&) = delete;
  RefusalLog& operator=(const RefusalLog&) = delete;

  void Write(const AuditRecord& record) ABSL_LOCKS_EXCLUDED(mu_);

  // Writes the counts of seconds that are over.
  void Poll() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Second {
    absl::Duration end;
    int lines = 0;
    std::optional<AuditRecord> counted;  // the last of them, with their count
  };

  // Begins another second if that of `second` is over; what it counted is then added to `lines`.
  static void Turn(absl::Duration now, Second* second, std::vector<AuditRecord>* lines);

  AuditLog* const audit_;
  const Clock* const clock_;
  absl::Mutex mu_;
  // By outcome and identity. Identities are those of known tokens, so that there are few.
  std::map<std::pair<std::string, std::string>, Second> seconds_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rwku::auth
