#include "tests/testing/free_port.h"

#include <unistd.h>

#include <atomic>
#include <cstdint>

#include <netinet/in.h>
#include <sys/socket.h>

namespace rwku::testing {

absl::StatusOr<int> FreePort() {
  constexpr int kFirst = 20000;
  constexpr int kCount = 10000;
  static std::atomic<int> next = getpid() * 7;  // processes that look at the same time begin apart
  for (int i = 0; i < kCount; ++i) {
    const int port = kFirst + next.fetch_add(1) % kCount;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool free = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    close(fd);
    if (free) {
      return port;
    }
  }
  return absl::UnavailableError("no port from 20000 to 29999 is free");
}

}  // namespace rwku::testing
