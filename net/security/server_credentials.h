// A server's side of a connection: TLS with certificates that may be replaced at any time, and one
// check of every call before anything of it is handled.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include "net/security/tls_files.h"

namespace rwku::net {

// What is known of a call before it is handled. The views live as long as the check.
struct CallFacts {
  absl::string_view method;         // "/rwku.v1.UnlearningService/GetRun"
  absl::string_view authorization;  // that header, or empty; the last one of several
  bool several_authorizations = false;
  bool encrypted = false;
  // Subject of the client's certificate, or its alternative names where it has no subject. Empty
  // unless the server asked for one and its trusted certificates vouch for it.
  std::string certificate;
};

// OK lets a call pass; anything else is its answer. Called from gRPC's threads, many at a time: it
// must not wait.
using CallCheck = std::function<grpc::Status(const CallFacts&)>;

// With `tls` connections are encrypted (TLS 1.2 or later), every new one with the files' contents
// of that moment; a client certificate is asked for and verified if they hold a CA, and may be
// missing. Without `tls` nothing is encrypted. `check` sees every call, those of health and
// reflection included; empty: all pass. The credentials (gRPC does not keep them) and `tls`, if not
// null, outlive the server.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(TlsFiles* tls, CallCheck check);

// The certificate as in CallFacts, for a call that passed.
std::string ClientCertificate(const grpc::ServerContextBase& context);

}  // namespace rwku::net
