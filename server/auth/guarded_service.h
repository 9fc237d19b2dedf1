// Stands in front of a service: calls that were refused after the guard let them in do not reach
// its handlers.
#pragma once

#include <string>
#include <vector>

#include <grpcpp/impl/service_type.h>

namespace rwku::auth {

// Registered in place of `target`, under the same names.
class GuardedService final : public grpc::Service {
 public:
  // `target` is a CallbackService of the service that is called `full_name` ("rwku.v1.Workers") in
  // the generated descriptors; it outlives this.
  GuardedService(grpc::Service* target, const std::string& full_name);

 private:
  std::vector<std::string> methods_;  // names, which gRPC does not copy
};

}  // namespace rwku::auth
