// A gRPC server with our limits: message sizes, keepalive, streams, health and reflection.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include <grpcpp/server.h>
#include <grpcpp/support/server_interceptor.h>

namespace rwku::net {

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  // port 0: any free port
  // Without it, only loopback addresses are taken, because connections are neither encrypted nor
  // authenticated in this version.
  bool insecure_listen = false;
  // Made one a call, in this order. Not owned; they outlive the server.
  std::vector<grpc::experimental::ServerInterceptorFactoryInterface*> interceptors;
};

// Thread-safe.
class Server {
 public:
  // Starts to serve `services`, which must outlive the server. INVALID_ARGUMENT for a malformed
  // address; FAILED_PRECONDITION for one beyond loopback without `insecure_listen`, and for one
  // that cannot be listened on (message: the system's reason, e.g. that it is in use).
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
  Server(std::unique_ptr<grpc::Server> server, int port, std::string address);

  const std::unique_ptr<grpc::Server> server_;
  const int port_;
  const std::string address_;
};

}  // namespace rwku::net
