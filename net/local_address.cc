#include "net/local_address.h"

#include <netdb.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <random>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/status_macros.h"

namespace rwku::net {
namespace {

// Below the ports that Linux gives to outgoing connections.
constexpr int kFirstPort = 20000;
constexpr int kPorts = 10000;
constexpr int kPortTries = 50;

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::StatusOr<Addresses> Resolve(const HostPort& address, int type) {
  addrinfo hints{};
  hints.ai_socktype = type;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(address.host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("\"", address.host, "\" cannot be resolved: ", gai_strerror(error)));
  }
  return Addresses(found, &freeaddrinfo);
}

// The port that a listener on `address`, that of `host`, and `port` got for a moment; 0 = any.
// ALREADY_EXISTS where another has it.
absl::StatusOr<int> BindOnce(const std::string& host, const addrinfo& address, int port) {
  const int socket = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) {
    return absl::UnavailableError(absl::StrCat("socket: ", std::strerror(errno)));
  }
  const absl::Cleanup close = [socket] { ::close(socket); };
  sockaddr_storage local{};
  socklen_t size = sizeof(local);
  std::memcpy(&local, address.ai_addr, address.ai_addrlen);
  // Both families have the port in the same place.
  reinterpret_cast<sockaddr_in*>(&local)->sin_port = htons(static_cast<uint16_t>(port));
  std::array<char, NI_MAXSERV> text{};
  if (bind(socket, reinterpret_cast<sockaddr*>(&local), address.ai_addrlen) != 0 ||
      getsockname(socket, reinterpret_cast<sockaddr*>(&local), &size) != 0 ||
      getnameinfo(reinterpret_cast<sockaddr*>(&local), size, nullptr, 0, text.data(), text.size(),
                  NI_NUMERICSERV) != 0) {
    const int error = errno;
    const std::string why = absl::StrCat("cannot listen on \"", host, "\": ", std::strerror(error));
    return error == EADDRINUSE ? absl::AlreadyExistsError(why) : absl::UnavailableError(why);
  }
  return std::stoi(text.data());
}

}  // namespace

absl::StatusOr<std::string> LocalAddressTowards(const HostPort& peer) {
  // Connecting a datagram socket chooses the route and sends nothing.
  RWKU_ASSIGN_OR_RETURN(const Addresses addresses, Resolve(peer, SOCK_DGRAM));
  std::string reason = "it has no address";
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    const int socket = ::socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) {
      reason = std::strerror(errno);
      continue;
    }
    const absl::Cleanup close = [socket] { ::close(socket); };
    sockaddr_storage local{};
    socklen_t size = sizeof(local);
    std::array<char, NI_MAXHOST> text{};
    if (connect(socket, address->ai_addr, address->ai_addrlen) == 0 &&
        getsockname(socket, reinterpret_cast<sockaddr*>(&local), &size) == 0 &&
        getnameinfo(reinterpret_cast<sockaddr*>(&local), size, text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST) == 0) {
      return std::string(text.data());
    }
    reason = std::strerror(errno);
  }
  return absl::UnavailableError(absl::StrCat("no way to \"", peer.host, "\": ", reason));
}

absl::StatusOr<int> FreePort(const std::string& host) {
  RWKU_ASSIGN_OR_RETURN(const Addresses addresses, Resolve({.host = host, .port = 0}, SOCK_STREAM));
  // At random, so that processes that look at the same time seldom find the same one.
  std::random_device random;
  for (int i = 0; i < kPortTries; ++i) {
    absl::StatusOr<int> port =
        BindOnce(host, *addresses, kFirstPort + static_cast<int>(random() % kPorts));
    if (!absl::IsAlreadyExists(port.status())) {
      return port;
    }
  }
  return BindOnce(host, *addresses, 0);
}

}  // namespace rwku::net
