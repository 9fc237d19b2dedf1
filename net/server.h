// A gRPC server with our limits: message sizes, keepalive, streams, health and reflection.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/support/server_interceptor.h>

namespace rwku::net {

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  // port 0: any free port
  // Of the connections (see MakeServerCredentials). Null: neither encrypted nor checked, and only
  // loopback addresses are taken ...
  std::shared_ptr<grpc::ServerCredentials> credentials = nullptr;
  // ... unless this is set.
  bool insecure_listen = false;
  // See every call that passed the credentials' check. Not owned; they outlive the server.
  std::vector<grpc::experimental::ServerInterceptorFactoryInterface*> interceptors = {};
  // Serves grpc.health.v1 and nothing else, reflection included; there are no services then.
  bool health_only = false;
};

// Thread-safe.
class Server {
 public:
  // Starts to serve `services`, which must outlive the server. INVALID_ARGUMENT for a malformed
  // address; FAILED_PRECONDITION for one beyond loopback with neither `credentials` nor
  // `insecure_listen`, and for one that cannot be listened on (message: the system's reason, e.g.
  // that it is in use).
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       const std::vector<grpc::Service*>& services);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const { return port_; }
  // "host:port" with the port in use.
  const std::string& address() const { return address_; }

  // What the health service answers for the whole server ("") from now on.
  void SetServing(bool serving);

  // Takes no new calls, waits for the running ones at most `grace`, cancels the rest. Returns once
  // no handler runs. Idempotent.
  void Shutdown(absl::Duration grace);

 private:
  Server(std::shared_ptr<grpc::ServerCredentials> credentials,
         std::unique_ptr<grpc::CallbackGenericService> fallback)
      : credentials_(std::move(credentials)), fallback_(std::move(fallback)) {}

  // gRPC keeps only what lies below it.
  const std::shared_ptr<grpc::ServerCredentials> credentials_;

  // Answers UNIMPLEMENTED where there is no service; null otherwise.
  const std::unique_ptr<grpc::CallbackGenericService> fallback_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::string address_;
};

}  // namespace rwku::net
