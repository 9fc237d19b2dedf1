#include "tests/testing/http_get.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace rwku::testing {

absl::StatusOr<HttpAnswer> HttpGet(int port, absl::string_view path) {
  return HttpSend(port, absl::StrCat("GET ", path,
                                     " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
}

absl::StatusOr<HttpAnswer> HttpSend(int port, absl::string_view request) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const absl::Cleanup close_fd = [fd] { close(fd); };
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return absl::UnavailableError(absl::StrCat("port ", port, ": ", std::strerror(errno)));
  }
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return absl::UnavailableError(absl::StrCat("port ", port, ": ", std::strerror(errno)));
  }
  std::string answer;
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got < 0) {
      return absl::UnavailableError(absl::StrCat("port ", port, ": ", std::strerror(errno)));
    }
    if (got == 0) {
      break;
    }
    answer.append(buffer.data(), static_cast<size_t>(got));
  }
  const size_t end = answer.find("\r\n\r\n");
  HttpAnswer result;
  if (end == std::string::npos || answer.size() < 12 ||
      !absl::SimpleAtoi(answer.substr(9, 3), &result.code)) {
    return absl::InternalError(absl::StrCat("no HTTP: ", answer.substr(0, 200)));
  }
  result.head = answer.substr(0, end);
  result.body = answer.substr(end + 4);
  return result;
}

}  // namespace rwku::testing
