#include "server/auth/guarded_service.h"

#include "absl/strings/str_cat.h"
#include <google/protobuf/descriptor.h>
#include <grpcpp/impl/rpc_service_method.h>

#include "base/check.h"
#include "server/auth/call_observer.h"

namespace rwku::auth {
namespace {

using grpc::internal::MethodHandler;
using grpc::internal::RpcMethod;

// A service's handlers are within reach of services alone.
class HandlerOf final : public grpc::Service {
 public:
  static MethodHandler* Get(grpc::Service* service, int index) {
    return (service->*&HandlerOf::GetHandler)(index);
  }
};

class GuardedHandler final : public MethodHandler {
 public:
  explicit GuardedHandler(MethodHandler* target) : target_(target) {}

  void* Deserialize(grpc_call* call, grpc_byte_buffer* request, grpc::Status* status,
                    void** handler_data) override {
    return target_->Deserialize(call, request, status, handler_data);
  }

  void RunHandler(const HandlerParameter& call) override {
    if (!IsRefused(*call.server_context)) {
      target_->RunHandler(call);
      return;
    }
    // To gRPC's handlers this is a request that could not be read: they end the call and do not ask
    // the service. The observer says in the answer why.
    target_->RunHandler(HandlerParameter(call.call, call.server_context, call.request,
                                         grpc::Status(grpc::StatusCode::UNAUTHENTICATED, ""),
                                         call.internal_data, call.call_requester));
  }

 private:
  MethodHandler* const target_;
};

RpcMethod::RpcType TypeOf(const google::protobuf::MethodDescriptor& method) {
  if (method.client_streaming()) {
    return method.server_streaming() ? RpcMethod::BIDI_STREAMING : RpcMethod::CLIENT_STREAMING;
  }
  return method.server_streaming() ? RpcMethod::SERVER_STREAMING : RpcMethod::NORMAL_RPC;
}

}  // namespace

GuardedService::GuardedService(grpc::Service* target, const std::string& full_name) {
  const google::protobuf::ServiceDescriptor* const service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(full_name);
  RWKU_CHECK(service != nullptr);
  // Reserved, so that the names stay where gRPC was told they are.
  methods_.reserve(static_cast<size_t>(service->method_count()));
  // The generated code has the methods in the order of the descriptor.
  for (int i = 0; i < service->method_count(); ++i) {
    methods_.push_back(absl::StrCat("/", full_name, "/", service->method(i)->name()));
    AddMethod(new grpc::internal::RpcServiceMethod(methods_.back().c_str(),
                                                   TypeOf(*service->method(i)), nullptr));
    MarkMethodCallback(i, new GuardedHandler(HandlerOf::Get(target, i)));
  }
}

}  // namespace rwku::auth
