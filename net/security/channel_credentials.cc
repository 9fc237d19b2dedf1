#include "net/security/channel_credentials.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "base/clock.h"
#include "base/status_macros.h"
#include "net/security/tls_files.h"
#include "net/security/token_source.h"

namespace rwku::net {
namespace {

constexpr unsigned kRefreshSeconds = 1;

// Puts the token into the metadata of every call.
class TokenPlugin final : public grpc::MetadataCredentialsPlugin {
 public:
  explicit TokenPlugin(std::unique_ptr<TokenSource> source) : source_(std::move(source)) {}

  grpc::Status GetMetadata(grpc::string_ref /*service_url*/, grpc::string_ref /*method_name*/,
                           const grpc::AuthContext& /*channel_auth_context*/,
                           std::multimap<std::string, std::string>* metadata) override {
    metadata->emplace("authorization", absl::StrCat("Bearer ", source_->Token()));
    return grpc::Status::OK;
  }
  // gRPC prints this in its traces.
  std::string DebugString() override { return "bearer token"; }

 private:
  const std::unique_ptr<TokenSource> source_;
};

absl::StatusOr<std::unique_ptr<TokenSource>> MakeSource(const ChannelSecurity& security) {
  if (!security.token_file.empty()) {
    return TokenSource::FromFile(security.token_file);
  }
  if (!security.token.empty()) {
    return TokenSource::FromText("RWKU_TOKEN", security.token);
  }
  return std::unique_ptr<TokenSource>();
}

std::shared_ptr<grpc::ChannelCredentials> TlsChannel(const ChannelSecurity& security) {
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          security.tls_key, security.tls_certificate, security.tls_ca, kRefreshSeconds));
  options.watch_root_certs();
  if (!security.tls_certificate.empty()) {
    options.watch_identity_key_cert_pairs();
  }
  return grpc::experimental::TlsCredentials(options);
}

absl::Status CheckFlags(const ChannelSecurity& security, bool loopback) {
  if (security.tls_ca.empty()) {
    for (const auto& [flag, value] : {std::pair{"--tls-server-name", &security.tls_server_name},
                                      std::pair{"--tls-certificate", &security.tls_certificate},
                                      std::pair{"--tls-key", &security.tls_key}}) {
      if (!value->empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat(flag, ": needs TLS, which --tls-ca FILE switches on"));
      }
    }
    if (!loopback && !(security.token_file.empty() && security.token.empty())) {
      return absl::InvalidArgumentError(absl::StrCat(
          security.token_file.empty() ? "RWKU_TOKEN" : "--token-file",
          ": a token is not sent unencrypted beyond this machine; name the server's certificate "
          "authority with --tls-ca FILE"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const ChannelSecurity& security, bool loopback) {
  RWKU_RETURN_IF_ERROR(CheckFlags(security, loopback));
  const bool tls = !security.tls_ca.empty();
  if (tls) {
    // gRPC would only say that it cannot connect.
    RWKU_RETURN_IF_ERROR(ReadTlsMaterial({.certificate = security.tls_certificate,
                                          .key = security.tls_key,
                                          .ca = security.tls_ca},
                                         RealClock().Now())
                             .status());
  }
  RWKU_ASSIGN_OR_RETURN(std::unique_ptr<TokenSource> source, MakeSource(security));
  if (source == nullptr) {
    return tls ? TlsChannel(security) : grpc::InsecureChannelCredentials();
  }
  const std::shared_ptr<grpc::CallCredentials> token =
      grpc::experimental::MetadataCredentialsFromPlugin(
          std::make_unique<TokenPlugin>(std::move(source)),
          tls ? GRPC_PRIVACY_AND_INTEGRITY : GRPC_SECURITY_NONE);
  return grpc::CompositeChannelCredentials(
      tls ? TlsChannel(security) : grpc::experimental::LocalCredentials(LOCAL_TCP), token);
}

}  // namespace rwku::net
