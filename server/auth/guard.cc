#include "server/auth/guard.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "base/status_macros.h"
#include "server/auth/rules.h"

namespace rwku::auth {
namespace {

// No id of a token: those hold no spaces.
constexpr char kNobody[] = "callers without a valid token";
// A method's name comes from the peer.
constexpr size_t kMaxMethodBytes = 128;

absl::string_view MethodName(absl::string_view method) {
  return method.substr(method.rfind('/') + 1);
}

}  // namespace

Guard::Guard(const GuardOptions& options)
    : tokens_(options.tokens),
      audit_(options.audit),
      clock_(options.clock),
      per_second_(options.rate_limit ? options.rate_limit->per_second : 0) {
  if (options.rate_limit) {
    limiter_.emplace(*options.rate_limit);
  }
}

absl::Status Guard::Check(const net::CallFacts& facts) {
  AuditRecord record;
  absl::Status status = Decide(facts, &record);
  if (!status.ok()) {
    record.certificate = facts.certificate;
    record.method = std::string(facts.method.substr(0, kMaxMethodBytes));
    record.outcome = CodeName(static_cast<int>(status.code()));
    record.message = std::string(status.message());
    audit_->Write(record);
  }
  return status;
}

absl::Status Guard::Decide(const net::CallFacts& facts, AuditRecord* record) {
  const Rule* const rule = FindRule(facts.method);
  if (rule != nullptr && rule->access == Access::kOpen) {
    return absl::OkStatus();
  }
  const absl::string_view name = rule == nullptr ? "the method" : MethodName(rule->method);
  absl::StatusOr<Identity> identity =
      facts.authorization.empty()
          ? absl::UnauthenticatedError(absl::StrCat(
                name, " needs a token", rule == nullptr ? "" : " with the role ",
                rule == nullptr ? "" : RolesFor(rule->access),
                "; name one with --token-file FILE, or RWKU_TOKEN for the command line"))
          : tokens_->Authenticate(facts.authorization);
  if (identity.ok()) {
    record->identity = identity->id;
    record->role = std::string(net::RoleName(identity->role));
  }
  RWKU_RETURN_IF_ERROR(TakeFromBucket(*record));
  if (!identity.ok()) {
    return identity.status();
  }
  if (rule == nullptr) {
    return absl::PermissionDeniedError("no rule allows anybody to call this method");
  }
  if (!Allows(rule->access, identity->role)) {
    return absl::PermissionDeniedError(
        absl::StrCat(name, " needs the role ", RolesFor(rule->access), "; the token \"",
                     identity->id, "\" has the role ", record->role));
  }
  if (rule->access == Access::kWorker && facts.encrypted && facts.certificate.empty()) {
    return absl::UnauthenticatedError(absl::StrCat(
        name,
        " needs a client certificate that the server's --tls-client-ca vouches for, beside "
        "the token; name it with --tls-certificate and --tls-key"));
  }
  return absl::OkStatus();
}

absl::Status Guard::TakeFromBucket(const AuditRecord& record) {
  const absl::MutexLock lock(&mu_);
  if (!limiter_) {
    return absl::OkStatus();
  }
  const absl::Duration wait =
      limiter_->Take(record.identity.empty() ? kNobody : record.identity, clock_->Monotonic());
  if (wait == absl::ZeroDuration()) {
    return absl::OkStatus();
  }
  const absl::Duration shown =
      std::max(absl::Ceil(wait, absl::Milliseconds(1)), absl::Milliseconds(1));
  return absl::ResourceExhaustedError(
      absl::StrFormat("too many calls: %s may make %g a second; retry in %s",
                      record.identity.empty() ? std::string(kNobody)
                                              : absl::StrCat("the token \"", record.identity, "\""),
                      per_second_, absl::FormatDuration(shown)));
}

}  // namespace rwku::auth
