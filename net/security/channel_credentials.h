// How a client or a worker makes itself known and whom it trusts.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include <grpcpp/security/credentials.h>

namespace rwku::net {

// Values of the flags of the same names. All empty: no encryption, no token.
struct ChannelSecurity {
  std::string tls_ca;  // file of trusted certificates; switches TLS on
  std::string
      tls_server_name;  // name that the server's certificate must hold; empty: the address's
  std::string tls_certificate;  // own certificate, with
  std::string tls_key;          // its key
  std::string token_file;       // re-read when it changes
  std::string token;            // the token itself (RWKU_TOKEN), where no file is named
};

// Credentials of a channel to a server that is on loopback or not. With TLS the server must show a
// certificate that `tls_ca` vouches for, in TLS 1.2 or later; new connections use the files' newest
// contents. A token is sent with every call. Without TLS it is sent to loopback only, which gRPC
// checks once more on every connection.
//
// Errors name the flag: files as in ReadTlsMaterial and TokenSource, and INVALID_ARGUMENT for flags
// that need --tls-ca, or a token for a server beyond loopback without it.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const ChannelSecurity& security, bool loopback);

}  // namespace rwku::net
