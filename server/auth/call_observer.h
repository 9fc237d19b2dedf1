// Follows the calls that were let in. Those that change something get their audit line, and streams
// are known to OpenStreams. The guard saw the headers alone, and a caller may hold the first
// message back for as long as it likes: once that came, the token and its role are looked at again.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_interceptor.h>

#include "server/auth/audit_log.h"
#include "server/auth/open_streams.h"
#include "server/auth/refusal_log.h"
#include "server/auth/token_store.h"

namespace rwku::auth {

// Whether the second look refused the call of `context`. An interceptor cannot keep a call from its
// handler: GuardedService does, and the answer is then made into the refusal.
bool IsRefused(const grpc::ServerContextBase& context);

// Thread-safe. What it is given outlives the server.
class CallObserver final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `tokens` null: nobody is known, and nobody refused.
  CallObserver(const TokenStore* tokens, AuditLog* audit, RefusalLog* refusals,
               OpenStreams* streams)
      : tokens_(tokens), audit_(audit), refusals_(refusals), streams_(streams) {}

  // Null, so that gRPC does without, for methods that are open to everybody.
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  const TokenStore* const tokens_;
  AuditLog* const audit_;
  RefusalLog* const refusals_;
  OpenStreams* const streams_;
};

}  // namespace rwku::auth
