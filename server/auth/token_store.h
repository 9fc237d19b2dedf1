// The server's tokens: its file in memory, read again when it changes.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

#include "base/clock.h"
#include "net/security/file_stamp.h"
#include "net/security/token.h"

namespace rwku::auth {

// Whom a valid token stands for.
struct Identity {
  std::string id;  // of the token
  net::Role role = net::Role::kViewer;
};

// Thread-safe.
class TokenStore {
 public:
  // Errors name --tokens and the file. `clock` outlives this.
  static absl::StatusOr<std::unique_ptr<TokenStore>> Create(const std::string& path,
                                                            const Clock* clock);

  // Reads the file if it changed. One with an error is logged once, and what was read before stays.
  void Poll() ABSL_LOCKS_EXCLUDED(mu_);

  // The holder of `authorization`, "Bearer <token>". UNAUTHENTICATED says what is wrong, and for
  // whom only once the secret was right.
  absl::StatusOr<Identity> Authenticate(absl::string_view authorization) const
      ABSL_LOCKS_EXCLUDED(mu_);

  // The identity `id` as it is; UNAUTHENTICATED if it is gone, revoked or expired.
  absl::StatusOr<Identity> Find(absl::string_view id) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Records = std::map<std::string, net::TokenRecord, std::less<>>;

  TokenStore(std::string path, const Clock* clock) : path_(std::move(path)), clock_(clock) {}
  absl::StatusOr<Records> Read() const;
  absl::StatusOr<Identity> Judge(const net::TokenRecord& record) const;

  const std::string path_;
  const Clock* const clock_;
  mutable absl::Mutex mu_;
  net::FileStamp stamp_ ABSL_GUARDED_BY(mu_);
  Records records_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rwku::auth
