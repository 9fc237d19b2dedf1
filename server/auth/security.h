// The server's security as one piece: its flags, the rules between them, and what they switch on.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "net/security/tls_files.h"
#include "net/server.h"
#include "server/auth/audit_log.h"
#include "server/auth/call_observer.h"
#include "server/auth/guard.h"
#include "server/auth/guarded_service.h"
#include "server/auth/open_streams.h"
#include "server/auth/refusal_log.h"
#include "server/auth/token_store.h"

namespace rwku::auth {

// Values of the flags of the same names.
struct SecurityFlags {
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_client_ca;
  std::string tokens;
  double rate_limit = 0;      // calls a second and token; 0: no limit but kStrangers
  std::string audit_log;      // "-": standard error; empty: "-" with tokens, none without
  std::string health_listen;  // empty: none
};

// `flags` outlives the parsing.
void AddSecurityFlags(SecurityFlags* flags, CLI::App* app);

// How often changed files are looked for, and streams of ended tokens: such a stream ends at the
// latest after twice this time.
inline constexpr absl::Duration kPollInterval = absl::Seconds(1);

// Calls a second of all callers without a valid token together, where --rate-limit does not say.
inline constexpr RateLimiter::Options kStrangers = {.per_second = 100, .burst = 200};

// Outlives the servers that it was applied to. Thread-safe.
class Security {
 public:
  // INVALID_ARGUMENT for half a configuration, FAILED_PRECONDITION for an address beyond loopback
  // without TLS and tokens unless `insecure_listen`, which is logged as a warning; errors of the
  // files. All name the flag. `clock` outlives this. `poll_interval` zero: only Poll() polls.
  static absl::StatusOr<std::unique_ptr<Security>> Create(
      const SecurityFlags& flags, const std::string& listen, bool insecure_listen,
      const Clock* clock, absl::Duration poll_interval = kPollInterval);
  ~Security();
  Security(const Security&) = delete;
  Security& operator=(const Security&) = delete;

  // Options of the server at the address given to Create. Interceptors that are to see the status
  // that goes out stand behind those in it.
  net::ServerOptions ServerOptions();

  // What to register there in place of `service`, a CallbackService, which is called `full_name`
  // and outlives this.
  grpc::Service* Guarded(grpc::Service* service, const std::string& full_name)
      ABSL_LOCKS_EXCLUDED(mu_);

  // Serves --health-listen, if there is one, from now on; SetServing changes what it says.
  absl::Status StartHealth();
  void SetServing(bool serving) ABSL_LOCKS_EXCLUDED(mu_);
  // "host:port" of it; empty if there is none.
  std::string health_address() const ABSL_LOCKS_EXCLUDED(mu_);

  // Reads again what changed, and ends the streams of tokens that ended.
  void Poll();

 private:
  Security(SecurityFlags flags, std::string listen, bool insecure_listen)
      : flags_(std::move(flags)), listen_(std::move(listen)), insecure_listen_(insecure_listen) {}
  absl::Status CheckFlags() const;
  void PollUntilStopped(absl::Duration interval) ABSL_LOCKS_EXCLUDED(mu_);

  const SecurityFlags flags_;
  const std::string listen_;
  const bool insecure_listen_;
  std::unique_ptr<net::TlsFiles> tls_;    // null: not encrypted
  std::unique_ptr<TokenStore> tokens_;    // null: everybody may everything
  std::unique_ptr<AuditLog> audit_;       // null: none
  std::unique_ptr<RefusalLog> refusals_;  // with an audit log
  std::unique_ptr<Guard> guard_;          // with tokens
  OpenStreams streams_;
  std::unique_ptr<CallObserver> observer_;  // with tokens or an audit log

  mutable absl::Mutex mu_;
  std::vector<std::unique_ptr<GuardedService>> guarded_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<net::Server> health_ ABSL_GUARDED_BY(mu_);
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::thread poller_;
};

}  // namespace rwku::auth
