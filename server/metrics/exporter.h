// The coordinator's metrics port. It is there from the start of the process, so that a store that
// takes long to open is no dead server; readiness and gauges come with the coordinator.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "base/clock.h"
#include "net/metrics/certificate.h"
#include "net/metrics/endpoint.h"
#include "net/metrics/process_metrics.h"
#include "server/coordinator/coordinator.h"
#include "server/metrics/run_board.h"
#include "server/metrics/server_metrics.h"
#include "server/metrics/state_metrics.h"
#include "server/store/rocks_store.h"

namespace rwku::metrics {

struct ExporterOptions {
  std::string listen;  // host:port; empty: no port, and Attach() does nothing
  // Label and PEM file of the certificates to tell the end of; an empty path is left out.
  std::vector<std::pair<std::string, std::string>> certificates;
};

class Exporter {
 public:
  // While it lives, /readyz says what the coordinator says and its gauges are shown.
  class Attachment {
   public:
    Attachment(net::MetricsEndpoint* endpoint, coordinator::Coordinator* coordinator,
               store::RocksStore* store, const Clock* clock);
    ~Attachment();
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;

   private:
    net::MetricsEndpoint* const endpoint_;
    const StateMetrics state_;
    const StoreMetrics store_;
    const RunBoard runs_;
  };

  // `metrics` outlives the exporter. Errors are MetricsEndpoint's, naming the flag.
  static absl::StatusOr<std::unique_ptr<Exporter>> Start(const ExporterOptions& options,
                                                         const ServerMetrics* metrics);

  // What is given outlives the attachment, and the attachment does not outlive this. Null without a
  // port.
  std::unique_ptr<Attachment> Attach(coordinator::Coordinator* coordinator,
                                     store::RocksStore* store, const Clock* clock);

  // 0 without one.
  int port() const { return endpoint_ == nullptr ? 0 : endpoint_->port(); }

 private:
  explicit Exporter(net::CertificateMetrics certificates)
      : certificates_(std::move(certificates)) {}

  const net::ProcessMetrics process_;
  const net::CertificateMetrics certificates_;
  std::unique_ptr<net::MetricsEndpoint> endpoint_;  // last: it reads the others
};

}  // namespace rwku::metrics
