// Answers HTTP GET requests with small texts: what probes and scrapes need, and no more. One
// request a connection; no TLS, no bodies of requests, no files.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace rwku::net {

struct HttpAnswer {
  int code = 200;  // 200, 404 or 503
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Thread-safe.
class HttpListener {
 public:
  // Called from several threads at once, with the path of a GET request, without its query.
  using Handler = std::function<HttpAnswer(absl::string_view path)>;

  // A client gets this long to send its request and take the answer, in all.
  static constexpr absl::Duration kPatience = absl::Seconds(5);

  // Serves on `listen` ("host:port", IPv6 in brackets, port 0 = any free one) until destroyed.
  // INVALID_ARGUMENT for a malformed address; FAILED_PRECONDITION where it cannot be listened on,
  // with the system's reason.
  static absl::StatusOr<std::unique_ptr<HttpListener>> Start(const std::string& listen,
                                                             Handler handler,
                                                             absl::Duration patience = kPatience);
  // Breaks connections off. Returns once no handler runs.
  ~HttpListener();
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  int port() const { return port_; }

 private:
  static constexpr size_t kThreads = 4;

  HttpListener(int socket, int port, Handler handler, absl::Duration patience);

  void Serve(size_t thread);
  void Answer(int socket) const;

  const int socket_;
  const int port_;
  const Handler handler_;
  const absl::Duration patience_;
  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::array<int, kThreads> connections_ ABSL_GUARDED_BY(mu_);  // of each thread; -1: none
  std::vector<std::thread> threads_;
};

}  // namespace rwku::net
