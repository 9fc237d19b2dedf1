// Who wants to know of every call that a server handles.
#pragma once

#include <string>

#include "absl/time/time.h"
#include <grpcpp/support/server_interceptor.h>
#include <grpcpp/support/status_code_enum.h>

namespace rwku::net {

// Thread-safe. Called on gRPC's threads, so it must not block.
class RpcObserver {
 public:
  virtual ~RpcObserver() = default;
  // `method` is "/rwku.v1.UnlearningService/CreateRun", of the registered services only.
  virtual void OnStarted(const std::string& method) = 0;
  // Once for every OnStarted. `code` is the status that was sent; CANCELLED where none was, because
  // the client had left.
  virtual void OnEnded(const std::string& method, grpc::StatusCode code,
                       absl::Duration duration) = 0;
};

// For ServerOptions::interceptors.
class RpcObserverFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `observer` outlives the server.
  explicit RpcObserverFactory(RpcObserver* observer) : observer_(observer) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  RpcObserver* const observer_;
};

}  // namespace rwku::net
