#include "net/server.h"

#include <netdb.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <sys/socket.h>

#include "base/status_macros.h"
#include "net/address.h"
#include "net/limits.h"

namespace rwku::net {
namespace {

// Why `address` cannot be bound, in the system's words; gRPC does not tell.
std::string BindProblem(const HostPort& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string port = absl::StrCat(address.port);
  const int rc = getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found);
  if (rc != 0) {
    return gai_strerror(rc);
  }
  std::string problem = "the server could not be started";
  const int fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol);
  if (fd >= 0) {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1) != 0) {
      problem = errno == EADDRINUSE ? "the port is in use" : std::strerror(errno);
    }
    close(fd);
  }
  freeaddrinfo(found);
  return problem;
}

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

// Takes out what the process adds to every server, which is reflection.
class WithoutPlugins final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments* /*arguments*/) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->clear();
  }
};

using InterceptorFactory = grpc::experimental::ServerInterceptorFactoryInterface;

// gRPC wants to own its factories.
class ForwardingFactory final : public InterceptorFactory {
 public:
  explicit ForwardingFactory(InterceptorFactory* target) : target_(target) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    return target_->CreateServerInterceptor(info);
  }

 private:
  InterceptorFactory* const target_;
};

void AddLimits(grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(kMaxMessageSize);
  builder->SetMaxSendMessageSize(kMaxMessageSize);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxConcurrentStreams);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(kKeepaliveTime));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(kKeepaliveTimeout));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              Milliseconds(kMinPingInterval));
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Two servers on one port would each get half of the connections.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      const std::vector<grpc::Service*>& services) {
  RWKU_ASSIGN_OR_RETURN(HostPort address, ParseHostPort(options.listen));
  if (!IsLoopback(address.host) && options.credentials == nullptr && !options.insecure_listen) {
    return absl::FailedPreconditionError(
        absl::StrCat("refusing to listen on ", options.listen,
                     ": anyone who reaches the port could use it; give --tls-certificate, "
                     "--tls-key and --tokens, "
                     "listen on 127.0.0.1, or say --insecure-listen on a network that you trust"));
  }
  std::unique_ptr<Server> server(new Server(
      options.credentials == nullptr ? grpc::InsecureServerCredentials() : options.credentials,
      options.health_only ? std::make_unique<grpc::CallbackGenericService>() : nullptr));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.AddListeningPort(FormatHostPort(address), server->credentials_, &server->port_);
  if (options.health_only) {
    builder.RegisterCallbackGenericService(server->fallback_.get());
    builder.SetOption(std::make_unique<WithoutPlugins>());
  }
  for (grpc::Service* service : services) {
    builder.RegisterService(service);
  }
  if (!options.interceptors.empty()) {
    std::vector<std::unique_ptr<InterceptorFactory>> creators;
    for (InterceptorFactory* factory : options.interceptors) {
      creators.push_back(std::make_unique<ForwardingFactory>(factory));
    }
    builder.experimental().SetInterceptorCreators(std::move(creators));
  }
  AddLimits(&builder);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || server->port_ == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", options.listen, ": ", BindProblem(address)));
  }
  address.port = server->port_;
  server->address_ = FormatHostPort(address);
  return server;
}

Server::~Server() {
  if (server_ != nullptr) {
    Shutdown(absl::ZeroDuration());
  }
}

void Server::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void Server::Shutdown(absl::Duration grace) {
  server_->GetHealthCheckService()->Shutdown();
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace));
}

}  // namespace rwku::net
