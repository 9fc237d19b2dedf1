#include "net/rpc_observer.h"

#include <string>
#include <utility>

#include "base/clock.h"

namespace rwku::net {
namespace {

using grpc::experimental::InterceptionHookPoints;

// Lives as long as its call.
class RpcInterceptor final : public grpc::experimental::Interceptor {
 public:
  RpcInterceptor(RpcObserver* observer, std::string method)
      : observer_(observer), method_(std::move(method)), start_(clock_.Monotonic()) {
    observer_->OnStarted(method_);
  }
  ~RpcInterceptor() override { observer_->OnEnded(method_, code_, clock_.Monotonic() - start_); }
  RpcInterceptor(const RpcInterceptor&) = delete;
  RpcInterceptor& operator=(const RpcInterceptor&) = delete;

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      code_ = methods->GetSendStatus().error_code();
    }
    methods->Proceed();
  }

 private:
  RpcObserver* const observer_;
  const std::string method_;
  const RealClock clock_;
  const absl::Duration start_;
  grpc::StatusCode code_ = grpc::StatusCode::CANCELLED;
};

}  // namespace

grpc::experimental::Interceptor* RpcObserverFactory::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  return new RpcInterceptor(observer_, info->method());  // gRPC owns it
}

}  // namespace rwku::net
