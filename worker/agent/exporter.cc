#include "worker/agent/exporter.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "base/log.h"

namespace rwku::agent {
namespace {

// The agent's thread looks every 10 s; a machine under load may be late.
constexpr absl::Duration kStuck = absl::Seconds(60);

absl::Status Live(const Agent& agent) {
  const absl::Duration idle = agent.standing().idle;
  return idle < kStuck ? absl::OkStatus()
                       : absl::InternalError(absl::StrCat("the agent's thread has been stuck for ",
                                                          absl::FormatDuration(idle)));
}

absl::Status Ready(const Agent& agent) {
  return agent.standing().connected
             ? absl::OkStatus()
             : absl::UnavailableError("the coordinator has not welcomed this worker");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Exporter>> Exporter::Start(const ExporterOptions& options,
                                                          metrics::WorkerMetrics* metrics,
                                                          const Agent* agent) {
  std::unique_ptr<Exporter> exporter(new Exporter(
      metrics, net::CertificateMetrics("rwku_worker_certificate_expiry_timestamp_seconds",
                                       options.certificates)));
  if (options.listen.empty()) {
    return exporter;
  }
  auto endpoint = net::MetricsEndpoint::Start(options.listen, [agent] { return Live(*agent); });
  if (!endpoint.ok()) {
    return absl::Status(endpoint.status().code(),
                        absl::StrCat("--metrics-listen: ", endpoint.status().message()));
  }
  metrics->SetLink([agent] {
    const Agent::Standing standing = agent->standing();
    return metrics::LinkState{
        .connected = standing.connected, .draining = standing.draining, .leases = standing.leases};
  });
  (*endpoint)->Add(metrics);
  (*endpoint)->Add(&exporter->process_);
  (*endpoint)->Add(&exporter->certificates_);
  (*endpoint)->SetReady([agent] { return Ready(*agent); });
  exporter->endpoint_ = *std::move(endpoint);
  RWKU_LOG(kInfo, "metrics").With("port", exporter->endpoint_->port());
  return exporter;
}

Exporter::~Exporter() { metrics_->SetLink(nullptr); }

}  // namespace rwku::agent
