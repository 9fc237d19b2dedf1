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
#include "server/auth/refusal_log.h"
#include "server/auth/rules.h"
#include "server/auth/token_store.h"

namespace rwku::auth {

struct GuardOptions {
  const TokenStore* tokens = nullptr;              // not null, outlives the guard
  RefusalLog* refusals = nullptr;                  // not null, outlives the guard
  const Clock* clock = nullptr;                    // not null, outlives the guard
  std::optional<RateLimiter::Options> rate_limit;  // a bucket for each token; none: no limit
  RateLimiter::Options strangers;  // the bucket of all callers without a valid token
};

// OK, or PERMISSION_DENIED that says which role the method needs.
absl::Status CheckRole(const Rule& rule, const Identity& identity);

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
  // `token_id` empty: without a valid token.
  absl::Status TakeFromBucket(absl::string_view token_id) ABSL_LOCKS_EXCLUDED(mu_);

  const TokenStore* const tokens_;
  RefusalLog* const refusals_;
  const Clock* const clock_;
  const double per_second_;            // of a token
  const double strangers_per_second_;  // of all others
  absl::Mutex mu_;
  std::optional<RateLimiter> limiter_ ABSL_GUARDED_BY(mu_);
  RateLimiter strangers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rwku::auth
