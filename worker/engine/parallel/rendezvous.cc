#include "worker/engine/parallel/rendezvous.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include <sys/socket.h>

#include "base/status_macros.h"

namespace rwku::engine {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::StatusOr<AddressList> Resolve(const HostPort& address, int type) {
  addrinfo hints = {};
  hints.ai_socktype = type;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(address.host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("rendezvous \"", address.host, "\": ", gai_strerror(error)));
  }
  return AddressList(found, &freeaddrinfo);
}

class Socket {
 public:
  Socket(const addrinfo& address, int type)
      : descriptor_(socket(address.ai_family, type | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (descriptor_ >= 0) {
      close(descriptor_);
    }
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

}  // namespace

absl::StatusOr<HostPort> ParseRendezvous(absl::string_view rendezvous) {
  HostPort address;
  const size_t colon = rendezvous.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(rendezvous.substr(colon + 1), &port) || port == 0 || port > UINT16_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("rendezvous is \"", rendezvous,
                     "\"; host:port is allowed, the port a number from 1 to 65535"));
  }
  absl::string_view host = rendezvous.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) {
    absl::ConsumeSuffix(&host, "]");
  }
  address.host = std::string(host);
  address.port = static_cast<uint16_t>(port);
  return address;
}

bool AcceptsConnections(const HostPort& address, absl::Duration limit) {
  const absl::StatusOr<AddressList> found = Resolve(address, SOCK_STREAM);
  if (!found.ok()) {
    return false;
  }
  for (const addrinfo* one = found->get(); one != nullptr; one = one->ai_next) {
    const Socket attempt(*one, SOCK_STREAM | SOCK_NONBLOCK);
    if (attempt.descriptor() < 0) {
      continue;
    }
    if (connect(attempt.descriptor(), one->ai_addr, one->ai_addrlen) == 0) {
      return true;
    }
    pollfd wait = {.fd = attempt.descriptor(), .events = POLLOUT, .revents = 0};
    int error = 0;
    socklen_t size = sizeof(error);
    if (errno == EINPROGRESS &&
        poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(limit))) == 1 &&
        getsockopt(attempt.descriptor(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0) {
      return true;
    }
  }
  return false;
}

absl::StatusOr<std::string> LocalAddressTowards(const HostPort& address) {
  RWKU_ASSIGN_OR_RETURN(const AddressList found, Resolve(address, SOCK_DGRAM));
  int last_error = 0;
  for (const addrinfo* one = found.get(); one != nullptr; one = one->ai_next) {
    // Connecting a datagram socket sends nothing: it only asks the system for the way.
    const Socket way(*one, SOCK_DGRAM);
    sockaddr_storage local = {};
    socklen_t size = sizeof(local);
    std::array<char, NI_MAXHOST> digits = {};
    if (way.descriptor() >= 0 && connect(way.descriptor(), one->ai_addr, one->ai_addrlen) == 0 &&
        getsockname(way.descriptor(), reinterpret_cast<sockaddr*>(&local), &size) == 0 &&
        getnameinfo(reinterpret_cast<const sockaddr*>(&local), size, digits.data(), digits.size(),
                    nullptr, 0, NI_NUMERICHOST) == 0) {
      return std::string(digits.data());
    }
    last_error = errno;
  }
  return absl::UnavailableError(
      absl::StrCat("rendezvous \"", address.host, "\": no way there: ", std::strerror(last_error)));
}

}  // namespace rwku::engine
