// The server's tokens: its file in memory, read again when it changes.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

#include "base/clock.h"
#include "net/security/file_stamp.h"
#include "net/security/reload_state.h"
#include "net/security/token.h"

namespace rwku::auth {

// Whom a token stands for: one record of the file.
struct Identity {
  std::string id;      // of the token
  std::string sha256;  // of the token, which tells it from another one that got the same id
  net::Role role = net::Role::kViewer;
};

// Who shows a token, and whether that is good.
struct Authentication {
  std::optional<Identity> identity =
      std::nullopt;     // once the secret was right, be it revoked or expired
  absl::Status status;  // UNAUTHENTICATED says what is wrong, and for whom only with an identity
};

// Thread-safe.
class TokenStore {
 public:
  // Errors name --tokens and the file. `clock` outlives this.
  static absl::StatusOr<std::unique_ptr<TokenStore>> Create(const std::string& path,
                                                            const Clock* clock);

  // Reads the file if it changed since it was read last. What cannot be read or has an error is
  // logged once and looked at again every time; until it is good, what was read before stays.
  void Poll() ABSL_LOCKS_EXCLUDED(mu_);

  // The holder of `authorization`, "Bearer <token>".
  Authentication Authenticate(absl::string_view authorization) const ABSL_LOCKS_EXCLUDED(mu_);

  // `identity` as it is by now; UNAUTHENTICATED if its token is gone, replaced, revoked or expired.
  absl::StatusOr<Identity> Refresh(const Identity& identity) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Records = std::map<std::string, net::TokenRecord, std::less<>>;

  TokenStore(std::string path, const Clock* clock) : path_(std::move(path)), clock_(clock) {}
  absl::StatusOr<Records> Read() const;
  absl::Status Judge(const net::TokenRecord& record) const;

  const std::string path_;
  const Clock* const clock_;
  mutable absl::Mutex mu_;
  net::ReloadState<net::FileStamp> reload_ ABSL_GUARDED_BY(mu_);  // of `records_`
  Records records_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rwku::auth
