// The worker's metrics port: what WorkerMetrics counts and how the agent stands.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "net/metrics/certificate.h"
#include "net/metrics/endpoint.h"
#include "net/metrics/process_metrics.h"
#include "worker/agent/agent.h"
#include "worker/metrics/worker_metrics.h"

namespace rwku::agent {

struct ExporterOptions {
  std::string listen;  // host:port; empty: no port
  // Label and PEM file of the certificates to tell the end of; an empty path is left out.
  std::vector<std::pair<std::string, std::string>> certificates;
};

class Exporter {
 public:
  // /healthz fails once the agent's thread has done nothing for a minute; /readyz is OK while the
  // coordinator has welcomed the worker. `metrics` and `agent` outlive the exporter. Errors are
  // MetricsEndpoint's, naming the flag.
  static absl::StatusOr<std::unique_ptr<Exporter>> Start(const ExporterOptions& options,
                                                         metrics::WorkerMetrics* metrics,
                                                         const Agent* agent);
  ~Exporter();
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

 private:
  Exporter(metrics::WorkerMetrics* metrics, net::CertificateMetrics certificates)
      : metrics_(metrics), certificates_(std::move(certificates)) {}

  metrics::WorkerMetrics* const metrics_;
  const net::ProcessMetrics process_;
  const net::CertificateMetrics certificates_;
  std::unique_ptr<net::MetricsEndpoint> endpoint_;  // last: it reads the others
};

}  // namespace rwku::agent
