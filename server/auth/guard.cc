#include "server/auth/guard.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "base/status_macros.h"

namespace rwku::auth {
namespace {

constexpr char kStrangers[] = "callers without a valid token";
// A method's name comes from the peer.
constexpr size_t kMaxMethodBytes = 128;

absl::string_view MethodName(absl::string_view method) {
  return method.substr(method.rfind('/') + 1);
}

}  // namespace

absl::Status CheckRole(const Rule& rule, const Identity& identity) {
  if (Allows(rule.access, identity.role)) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(absl::StrCat(
      MethodName(rule.method), " needs the role ", RolesFor(rule.access), "; the token \"",
      identity.id, "\" has the role ", net::RoleName(identity.role)));
}

Guard::Guard(const GuardOptions& options)
    : tokens_(options.tokens),
      refusals_(options.refusals),
      clock_(options.clock),
      per_second_(options.rate_limit ? options.rate_limit->per_second : 0),
      strangers_per_second_(options.strangers.per_second),
      strangers_(options.strangers) {
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
    refusals_->Write(record);
  }
  return status;
}

absl::Status Guard::Decide(const net::CallFacts& facts, AuditRecord* record) {
  const Rule* const rule = FindRule(facts.method);
  if (rule != nullptr && rule->access == Access::kOpen) {
    return absl::OkStatus();
  }
  const absl::string_view name = rule == nullptr ? "the method" : MethodName(rule->method);
  Authentication caller;
  if (facts.several_authorizations) {
    caller.status =
        absl::UnauthenticatedError("found several authorization headers, allowed is one");
  } else if (facts.authorization.empty()) {
    caller.status = absl::UnauthenticatedError(
        absl::StrCat(name, " needs a token", rule == nullptr ? "" : " with the role ",
                     rule == nullptr ? "" : RolesFor(rule->access),
                     "; name one with --token-file FILE, or RWKU_TOKEN for the command line"));
  } else {
    caller = tokens_->Authenticate(facts.authorization);
  }
  if (caller.identity) {
    record->identity = caller.identity->id;
    record->role = std::string(net::RoleName(caller.identity->role));
  }
  RWKU_RETURN_IF_ERROR(TakeFromBucket(caller.status.ok() ? record->identity : ""));
  RWKU_RETURN_IF_ERROR(caller.status);
  if (rule == nullptr) {
    return absl::PermissionDeniedError("no rule allows anybody to call this method");
  }
  RWKU_RETURN_IF_ERROR(CheckRole(*rule, *caller.identity));
  if (rule->access == Access::kWorker && facts.encrypted && facts.certificate.empty()) {
    return absl::UnauthenticatedError(absl::StrCat(
        name,
        " needs a client certificate that the server's --tls-client-ca vouches for, beside "
        "the token; name it with --tls-certificate and --tls-key"));
  }
  return absl::OkStatus();
}

absl::Status Guard::TakeFromBucket(absl::string_view token_id) {
  const bool stranger = token_id.empty();
  absl::Duration wait;
  {
    const absl::MutexLock lock(&mu_);
    const absl::Duration now = clock_->Monotonic();
    if (stranger) {
      wait = strangers_.Take(token_id, now);
    } else if (limiter_) {
      wait = limiter_->Take(token_id, now);
    }
  }
  if (wait == absl::ZeroDuration()) {
    return absl::OkStatus();
  }
  const absl::Duration shown =
      std::max(absl::Ceil(wait, absl::Milliseconds(1)), absl::Milliseconds(1));
  return absl::ResourceExhaustedError(absl::StrFormat(
      "too many calls: %s may make %g a second; retry in %s",
      stranger ? std::string(kStrangers) : absl::StrCat("the token \"", token_id, "\""),
      stranger ? strangers_per_second_ : per_second_, absl::FormatDuration(shown)));
}

}  // namespace rwku::auth
