// Follows the calls that were let in and matter beyond themselves: those that change something get
// their audit line, and streams are known to OpenStreams.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include "server/auth/audit_log.h"
#include "server/auth/open_streams.h"
#include "server/auth/token_store.h"

namespace rwku::auth {

// Thread-safe. What it is given outlives the server.
class CallObserver final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `tokens` null: nobody is known. `audit` null: no lines.
  CallObserver(const TokenStore* tokens, AuditLog* audit, OpenStreams* streams)
      : tokens_(tokens), audit_(audit), streams_(streams) {}

  // Null, so that gRPC does without, for calls that need no following.
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  const TokenStore* const tokens_;
  AuditLog* const audit_;
  OpenStreams* const streams_;
};

}  // namespace rwku::auth
