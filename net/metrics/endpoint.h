// The HTTP side of a daemon, on a port of its own: GET /metrics for Prometheus, /healthz and
// /readyz for whoever restarts it or sends it traffic. It tells nothing that needs a credential.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "net/metrics/http_listener.h"

namespace rwku::net {

// Called from several threads at once; it may take its time, but must return.
using Probe = std::function<absl::Status()>;

// Thread-safe.
class MetricsEndpoint {
 public:
  // Serves on `listen` ("host:port", port 0 = any free one) until destroyed. /healthz answers 200
  // while `live` says OK (null: always), else 503 with its message. /readyz answers 503 until
  // SetReady. INVALID_ARGUMENT for a malformed address, FAILED_PRECONDITION where it cannot be
  // listened on; the message has the system's reason.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Start(const std::string& listen,
                                                                Probe live);
  ~MetricsEndpoint();
  MetricsEndpoint(const MetricsEndpoint&) = delete;
  MetricsEndpoint& operator=(const MetricsEndpoint&) = delete;

  // /metrics shows it until it is removed. Not owned.
  void Add(const prometheus::Collectable* collectable);
  // Returns once nobody reads it any more.
  void Remove(const prometheus::Collectable* collectable);
  // What /readyz answers from now on; null: 503. Returns once the probe before is not called any
  // more.
  void SetReady(Probe ready);

  int port() const { return listener_->port(); }

 private:
  explicit MetricsEndpoint(Probe live);
  HttpAnswer Answer(absl::string_view path) const;
  std::string Serialize() const;
  absl::Status Live() const;
  absl::Status Ready() const;

  const Probe live_;
  // Readers hold it while they collect, so that what is removed is not read any more.
  mutable absl::Mutex mu_;
  std::vector<const prometheus::Collectable*> collectables_ ABSL_GUARDED_BY(mu_);
  Probe ready_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<HttpListener> listener_;  // last: its threads use the rest
};

}  // namespace rwku::net
