#include "server/auth/security.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "base/log.h"
#include "base/status_macros.h"
#include "net/address.h"
#include "net/status.h"

namespace rwku::auth {
namespace {

// Seconds' worth of calls that may come at once.
constexpr double kBurstSeconds = 2;

}  // namespace

void AddSecurityFlags(SecurityFlags* flags, CLI::App* app) {
  app->add_option("--tls-certificate", flags->tls_certificate,
                  "Certificate chain in PEM; switches TLS on; re-read when it changes")
      ->envname("RWKU_TLS_CERTIFICATE");
  app->add_option("--tls-key", flags->tls_key, "Private key of --tls-certificate in PEM")
      ->envname("RWKU_TLS_KEY");
  app->add_option("--tls-client-ca", flags->tls_client_ca,
                  "Certificates in PEM that vouch for those of workers")
      ->envname("RWKU_TLS_CLIENT_CA");
  app->add_option("--tokens", flags->tokens,
                  "File with the hashes of tokens (rwku token create); re-read when it changes")
      ->envname("RWKU_TOKENS");
  app->add_option("--rate-limit", flags->rate_limit,
                  "Calls a second that each token may make; 0 = any number")
      ->envname("RWKU_RATE_LIMIT")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app->add_option(
         "--audit-log", flags->audit_log,
         "Append who did what to this file; - is standard error, the default with --tokens")
      ->envname("RWKU_AUDIT_LOG");
  app->add_option("--health-listen", flags->health_listen,
                  "host:port that serves grpc.health.v1 alone, without TLS and tokens")
      ->envname("RWKU_HEALTH_LISTEN");
}

absl::StatusOr<std::unique_ptr<Security>> Security::Create(const SecurityFlags& flags,
                                                           const std::string& listen,
                                                           bool insecure_listen, const Clock* clock,
                                                           absl::Duration poll_interval) {
  std::unique_ptr<Security> security(new Security(flags, listen, insecure_listen));
  RWKU_RETURN_IF_ERROR(security->CheckFlags());
  if (!flags.tls_certificate.empty()) {
    RWKU_ASSIGN_OR_RETURN(security->tls_,
                          net::TlsFiles::Create({.certificate = flags.tls_certificate,
                                                 .key = flags.tls_key,
                                                 .ca = flags.tls_client_ca,
                                                 .ca_flag = "--tls-client-ca"},
                                                clock));
  }
  if (!flags.tokens.empty() || !flags.audit_log.empty()) {
    RWKU_ASSIGN_OR_RETURN(security->audit_,
                          AuditLog::Open(flags.audit_log.empty() ? "-" : flags.audit_log, clock));
    security->refusals_ = std::make_unique<RefusalLog>(security->audit_.get(), clock);
  }
  if (!flags.tokens.empty()) {
    RWKU_ASSIGN_OR_RETURN(security->tokens_, TokenStore::Create(flags.tokens, clock));
    GuardOptions guard{.tokens = security->tokens_.get(),
                       .refusals = security->refusals_.get(),
                       .clock = clock,
                       .rate_limit = std::nullopt,
                       .strangers = kStrangers};
    if (flags.rate_limit > 0) {
      guard.rate_limit = RateLimiter::Options{
          .per_second = flags.rate_limit, .burst = std::max(1.0, kBurstSeconds * flags.rate_limit)};
      guard.strangers = *guard.rate_limit;
    }
    security->guard_ = std::make_unique<Guard>(guard);
  }
  if (security->audit_ != nullptr) {
    security->observer_ =
        std::make_unique<CallObserver>(security->tokens_.get(), security->audit_.get(),
                                       security->refusals_.get(), &security->streams_);
  }
  if (poll_interval > absl::ZeroDuration()) {
    security->poller_ = std::thread(
        [security = security.get(), poll_interval] { security->PollUntilStopped(poll_interval); });
  }
  return security;
}

Security::~Security() {
  {
    const absl::MutexLock lock(&mu_);
    stopped_ = true;
  }
  if (poller_.joinable()) {
    poller_.join();
  }
}

absl::Status Security::CheckFlags() const {
  RWKU_ASSIGN_OR_RETURN(const net::HostPort address, net::ParseHostPort(listen_));
  const bool tls = !flags_.tls_certificate.empty() && !flags_.tls_key.empty();
  if (flags_.tls_certificate.empty() != flags_.tls_key.empty()) {
    return absl::InvalidArgumentError(
        flags_.tls_key.empty() ? absl::StrCat("--tls-key: missing; --tls-certificate ",
                                              flags_.tls_certificate, " needs its private key")
                               : absl::StrCat("--tls-certificate: missing; --tls-key ",
                                              flags_.tls_key, " needs its certificate"));
  }
  if (!tls && !flags_.tls_client_ca.empty()) {
    return absl::InvalidArgumentError(
        "--tls-client-ca: needs TLS, which --tls-certificate and --tls-key switch on");
  }
  if (flags_.rate_limit > 0 && flags_.tokens.empty()) {
    return absl::InvalidArgumentError(
        "--rate-limit: counts the calls of each token, so it needs --tokens");
  }
  if (net::IsLoopback(address.host)) {
    return absl::OkStatus();
  }
  if (!tls && !flags_.tokens.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tokens: would cross the network unencrypted to ", listen_,
                     "; give --tls-certificate and --tls-key, or listen on 127.0.0.1"));
  }
  if (tls && !flags_.tokens.empty()) {
    return absl::OkStatus();
  }
  if (!insecure_listen_) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--listen: refusing to listen on ", listen_, " without ",
        tls ? "--tokens" : "--tls-certificate, --tls-key and --tokens",
        ", because anyone who reaches the port could use it; give them, listen on 127.0.0.1, or "
        "say --insecure-listen on a network that you trust"));
  }
  RWKU_LOG(kWarning, "anyone who reaches the port may do everything: --insecure-listen")
      .With("listen", listen_)
      .With("encrypted", tls ? "true" : "false");
  return absl::OkStatus();
}

net::ServerOptions Security::ServerOptions() {
  net::ServerOptions options;
  options.listen = listen_;
  options.insecure_listen = insecure_listen_;
  if (tls_ != nullptr || guard_ != nullptr) {
    net::CallCheck check;
    if (guard_ != nullptr) {
      check = [guard = guard_.get()](const net::CallFacts& facts) {
        return net::ToGrpcStatus(guard->Check(facts));
      };
    }
    options.credentials = net::MakeServerCredentials(tls_.get(), std::move(check));
  }
  if (observer_ != nullptr) {
    options.interceptors.push_back(observer_.get());
  }
  return options;
}

grpc::Service* Security::Guarded(grpc::Service* service, const std::string& full_name) {
  const absl::MutexLock lock(&mu_);
  return guarded_.emplace_back(std::make_unique<GuardedService>(service, full_name)).get();
}

absl::Status Security::StartHealth() {
  if (flags_.health_listen.empty()) {
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<net::Server>> server = net::Server::Start(
      {.listen = flags_.health_listen, .insecure_listen = true, .health_only = true}, {});
  if (!server.ok()) {
    return absl::Status(server.status().code(),
                        absl::StrCat("--health-listen: ", server.status().message()));
  }
  RWKU_LOG(kInfo, "serving health checks").With("address", (*server)->address());
  const absl::MutexLock lock(&mu_);
  health_ = *std::move(server);
  return absl::OkStatus();
}

void Security::SetServing(bool serving) {
  const absl::MutexLock lock(&mu_);
  if (health_ != nullptr) {
    health_->SetServing(serving);
  }
}

std::string Security::health_address() const {
  const absl::MutexLock lock(&mu_);
  return health_ == nullptr ? "" : health_->address();
}

void Security::Poll() {
  if (tls_ != nullptr) {
    tls_->Current();
  }
  if (tokens_ != nullptr) {
    tokens_->Poll();
    streams_.Sweep(*tokens_);
  }
  if (audit_ != nullptr) {
    refusals_->Poll();
    audit_->Poll();
  }
}

void Security::PollUntilStopped(absl::Duration interval) {
  while (true) {
    {
      const absl::MutexLock lock(&mu_);
      if (mu_.AwaitWithTimeout(absl::Condition(&stopped_), interval)) {
        return;
      }
    }
    Poll();
  }
}

}  // namespace rwku::auth
