// The one decision about every call: who it is, whether that one may, and not too often.
#pragma once

#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

#include "base/clock.h"
#include "net/security/server_credentials.h"
#include "server/auth/audit_log.h"
#include "server/auth/rate_limiter.h"
#include "server/auth/token_store.h"

namespace rwku::auth {

struct GuardOptions {
  const TokenStore* tokens = nullptr;  // not null, outlives the guard
  AuditLog* audit = nullptr;           // not null, outlives the guard; gets every refusal
  const Clock* clock = nullptr;        // not null, outlives the guard
  std::optional<RateLimiter::Options> rate_limit;  // a bucket for each token id
};

// Thread-safe. Waits for nothing but the audit log.
class Guard {
 public:
  explicit Guard(const GuardOptions& options);

  // OK, or the answer to the call, which says what would be needed:
  //   UNAUTHENTICATED     no token, one that is wrong, revoked or expired, or a worker on TLS
  //                       without a verified certificate
  //   PERMISSION_DENIED   the token's role is not one for this method, or the method has no rule
  //   RESOURCE_EXHAUSTED  too many calls of this token, or of all callers without a valid one,
  //                       who share a bucket; the message says when to come again
  // Health checks always pass.
  absl::Status Check(const net::CallFacts& facts) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  absl::Status Decide(const net::CallFacts& facts, AuditRecord* record);
  absl::Status TakeFromBucket(const AuditRecord& record) ABSL_LOCKS_EXCLUDED(mu_);

  const TokenStore* const tokens_;
  AuditLog* const audit_;
  const Clock* const clock_;
  const double per_second_;
  absl::Mutex mu_;
  std::optional<RateLimiter> limiter_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rwku::auth
