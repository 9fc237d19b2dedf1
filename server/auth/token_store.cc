#include "server/auth/token_store.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace rwku::auth {
namespace {

constexpr char kFlag[] = "--tokens";

std::string TimeText(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

Identity IdentityOf(const net::TokenRecord& record) {
  return {.id = record.id, .sha256 = record.sha256, .role = record.role};
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenStore>> TokenStore::Create(const std::string& path,
                                                               const Clock* clock) {
  RWKU_RETURN_IF_ERROR(net::CheckNoToken(kFlag, path));
  std::unique_ptr<TokenStore> store(new TokenStore(path, clock));
  const absl::MutexLock lock(&store->mu_);
  const net::FileStamp stamp = net::StampOf(path);
  RWKU_ASSIGN_OR_RETURN(store->records_, store->Read());
  store->reload_.Succeeded(stamp);
  return store;
}

absl::StatusOr<TokenStore::Records> TokenStore::Read() const {
  const absl::StatusOr<std::string> text = ReadFile(path_);
  if (!text.ok()) {
    return absl::Status(text.status().code(), absl::StrCat(kFlag, ": ", text.status().message()));
  }
  // Who may write it may make themselves an administrator.
  RWKU_RETURN_IF_ERROR(net::CheckNotWritableForAll(kFlag, path_));
  absl::StatusOr<std::vector<net::TokenRecord>> tokens = net::ParseTokens(*text, path_);
  if (!tokens.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(kFlag, ": ", tokens.status().message()));
  }
  Records records;
  for (net::TokenRecord& token : *tokens) {
    std::string id = token.id;
    records.emplace(std::move(id), std::move(token));
  }
  return records;
}

void TokenStore::Poll() {
  const net::FileStamp now = net::StampOf(path_);
  {
    const absl::MutexLock lock(&mu_);
    if (!reload_.IsDue(now)) {
      return;
    }
  }
  absl::StatusOr<Records> records = Read();
  const absl::MutexLock lock(&mu_);
  if (records.ok()) {
    reload_.Succeeded(now);
    RWKU_LOG(kInfo, "tokens read again").With("tokens", static_cast<uint64_t>(records->size()));
    records_ = *std::move(records);
  } else if (reload_.IsNews(records.status())) {
    RWKU_LOG(kError, "changed tokens refused; the ones before them stay")
        .With("error", records.status().message());
  }
}

Authentication TokenStore::Authenticate(absl::string_view authorization) const {
  absl::string_view token = authorization;
  if (!absl::ConsumePrefix(&token, "Bearer ")) {
    return {.status =
                absl::UnauthenticatedError("the authorization header is not \"Bearer <token>\"")};
  }
  const std::optional<absl::string_view> id = net::TokenIdOf(token);
  if (!id) {
    return {.status = absl::UnauthenticatedError(
                "the bearer token is not of the form rwku_<id>_<64 hexadecimal digits>")};
  }
  const std::string hash = net::TokenHash(token);
  const absl::MutexLock lock(&mu_);
  const auto found = records_.find(*id);
  if (found == records_.end() || !net::EqualInConstantTime(found->second.sha256, hash)) {
    return {.status = absl::UnauthenticatedError(
                "this server does not know the token: it is wrong, was removed, or belongs to "
                "another server")};
  }
  return {.identity = IdentityOf(found->second), .status = Judge(found->second)};
}

absl::StatusOr<Identity> TokenStore::Refresh(const Identity& identity) const {
  const absl::MutexLock lock(&mu_);
  const auto found = records_.find(identity.id);
  if (found == records_.end() || found->second.sha256 != identity.sha256) {
    return absl::UnauthenticatedError(
        absl::StrCat("the token \"", identity.id, "\" was removed or replaced"));
  }
  RWKU_RETURN_IF_ERROR(Judge(found->second));
  return IdentityOf(found->second);
}

absl::Status TokenStore::Judge(const net::TokenRecord& record) const {
  if (record.revoked) {
    return absl::UnauthenticatedError(absl::StrCat("the token \"", record.id, "\" was revoked at ",
                                                   TimeText(*record.revoked),
                                                   "; ask the operator for another one"));
  }
  if (record.expires <= clock_->Now()) {
    return absl::UnauthenticatedError(absl::StrCat("the token \"", record.id, "\" expired at ",
                                                   TimeText(record.expires),
                                                   "; ask the operator for another one"));
  }
  return absl::OkStatus();
}

}  // namespace rwku::auth
