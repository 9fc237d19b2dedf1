#include "net/metrics/http_listener.h"

#include <netdb.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/status_macros.h"
#include "net/address.h"

namespace rwku::net {
namespace {

constexpr size_t kMaxHead = 8192;  // bytes of a request
constexpr int kBacklog = 16;

const char* Reason(int code) {
  switch (code) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

// One client's connection. The time that the client has covers reading and writing together, but
// not what the handler needs. Few threads serve, and a client that is slow on purpose must not keep
// one of them.
class Connection {
 public:
  Connection(int socket, absl::Duration patience)
      : socket_(socket), deadline_(RealClock().Monotonic() + patience) {}

  // The head of a request without its end; empty for a client that does not send one.
  std::string ReadHead() {
    std::string head;
    std::array<char, 1024> buffer{};
    while (head.size() < kMaxHead && Await(POLLIN)) {
      const ssize_t got = recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && MayComeAgain()) {
        continue;
      }
      if (got <= 0) {
        break;
      }
      head.append(buffer.data(), static_cast<size_t>(got));
      if (const size_t end = head.find("\r\n\r\n"); end != std::string::npos) {
        head.resize(end);
        return head;
      }
    }
    return "";
  }

  void SendAll(absl::string_view bytes) {
    while (!bytes.empty() && Await(POLLOUT)) {
      const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && MayComeAgain()) {
        continue;
      }
      if (sent <= 0) {
        return;
      }
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }

  // What `handler` answers to `path`.
  HttpAnswer Ask(const HttpListener::Handler& handler, absl::string_view path) {
    const absl::Duration start = RealClock().Monotonic();
    HttpAnswer answer = handler(path);
    deadline_ += RealClock().Monotonic() - start;
    return answer;
  }

 private:
  static bool MayComeAgain() { return errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK; }

  // False once the client's time is over.
  bool Await(int16_t events) const {
    while (true) {
      const absl::Duration left = deadline_ - RealClock().Monotonic();
      if (left <= absl::ZeroDuration()) {
        return false;
      }
      pollfd wanted{.fd = socket_, .events = events, .revents = 0};
      const int ready = poll(&wanted, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
      if (ready > 0 || (ready < 0 && errno != EINTR)) {
        return ready > 0;
      }
    }
  }

  const int socket_;
  absl::Duration deadline_;
};

absl::Status CannotListen(const std::string& listen, const char* problem) {
  return absl::FailedPreconditionError(absl::StrCat("cannot listen on ", listen, ": ", problem));
}

// A listening socket.
absl::StatusOr<int> Listen(const std::string& listen_on, const HostPort& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int rc =
      getaddrinfo(address.host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
  if (rc != 0) {
    return CannotListen(listen_on, gai_strerror(rc));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, found->ai_protocol);
  if (fd < 0) {
    return CannotListen(listen_on, std::strerror(errno));
  }
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, kBacklog) != 0) {
    const absl::Status status = CannotListen(listen_on, std::strerror(errno));
    close(fd);
    return status;
  }
  return fd;
}

int PortOf(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port
                   : reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpListener>> HttpListener::Start(const std::string& listen,
                                                                  Handler handler,
                                                                  absl::Duration patience) {
  RWKU_ASSIGN_OR_RETURN(const HostPort address, ParseHostPort(listen));
  RWKU_ASSIGN_OR_RETURN(const int socket, Listen(listen, address));
  return std::unique_ptr<HttpListener>(
      new HttpListener(socket, PortOf(socket), std::move(handler), patience));
}

HttpListener::HttpListener(int socket, int port, Handler handler, absl::Duration patience)
    : socket_(socket), port_(port), handler_(std::move(handler)), patience_(patience) {
  connections_.fill(-1);
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads_.emplace_back([this, thread] { Serve(thread); });
  }
}

HttpListener::~HttpListener() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    shutdown(socket_, SHUT_RDWR);  // ends the threads' accept()
    for (const int connection : connections_) {
      if (connection >= 0) {
        shutdown(connection, SHUT_RDWR);
      }
    }
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
  close(socket_);
}

void HttpListener::Serve(size_t thread) {
  while (true) {
    const int connection = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    {
      absl::MutexLock lock(&mu_);
      if (stopping_) {
        if (connection >= 0) {
          close(connection);
        }
        return;
      }
      connections_[thread] = connection;
    }
    if (connection < 0) {
      // The client left before it was taken, or the process has no file descriptor to spare.
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    Answer(connection);
    absl::MutexLock lock(&mu_);
    connections_[thread] = -1;
    close(connection);
  }
}

void HttpListener::Answer(int socket) const {
  Connection connection(socket, patience_);
  const std::string head = connection.ReadHead();
  const std::vector<absl::string_view> request =
      absl::StrSplit(absl::string_view(head).substr(0, head.find("\r\n")), ' ');
  if (request.size() != 3 || !absl::StartsWith(request[2], "HTTP/1.")) {
    return;
  }
  HttpAnswer answer{.code = 405, .body = "only GET is allowed\n"};
  if (request[0] == "GET") {
    answer = connection.Ask(handler_, request[1].substr(0, request[1].find('?')));
  }
  connection.SendAll(absl::StrCat("HTTP/1.1 ", answer.code, " ", Reason(answer.code),
                                  "\r\nContent-Type: ", answer.content_type,
                                  "\r\nContent-Length: ", answer.body.size(),
                                  "\r\nCache-Control: no-store\r\nConnection: close\r\n",
                                  answer.code == 405 ? "Allow: GET\r\n" : "", "\r\n", answer.body));
  shutdown(socket, SHUT_WR);
}

}  // namespace rwku::net
