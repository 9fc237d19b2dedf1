// How a unary call is answered.
#pragma once

#include "absl/status/status.h"
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "net/status.h"

namespace rwku::service {

inline void FinishWith(grpc::CallbackServerContext* context, grpc::ServerUnaryReactor* reactor,
                       const absl::Status& status) {
  reactor->Finish(net::ToGrpcStatus(status, context));
}

// For a method that refuses its request before it begins.
inline grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context,
                                        const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  FinishWith(context, reactor, status);
  return reactor;
}

}  // namespace rwku::service
