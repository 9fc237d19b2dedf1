#include "server/metrics/exporter.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/log.h"

namespace rwku::metrics {

Exporter::Attachment::Attachment(net::MetricsEndpoint* endpoint,
                                 coordinator::Coordinator* coordinator, store::RocksStore* store,
                                 const Clock* clock)
    : endpoint_(endpoint),
      state_(coordinator, clock),
      store_(store),
      runs_(RunBoardOptions{}, coordinator, store, clock) {
  endpoint_->Add(&state_);
  endpoint_->Add(&store_);
  endpoint_->Add(&runs_);
  endpoint_->SetReady([coordinator] { return coordinator->Ready(); });
}

Exporter::Attachment::~Attachment() {
  endpoint_->SetReady(nullptr);
  endpoint_->Remove(&runs_);
  endpoint_->Remove(&store_);
  endpoint_->Remove(&state_);
}

absl::StatusOr<std::unique_ptr<Exporter>> Exporter::Start(const ExporterOptions& options,
                                                          const ServerMetrics* metrics) {
  std::unique_ptr<Exporter> exporter(new Exporter(net::CertificateMetrics(
      "rwku_server_certificate_expiry_timestamp_seconds", options.certificates)));
  if (options.listen.empty()) {
    return exporter;
  }
  auto endpoint = net::MetricsEndpoint::Start(options.listen, nullptr);
  if (!endpoint.ok()) {
    return absl::Status(endpoint.status().code(),
                        absl::StrCat("--metrics-listen: ", endpoint.status().message()));
  }
  (*endpoint)->Add(metrics);
  (*endpoint)->Add(&exporter->process_);
  (*endpoint)->Add(&exporter->certificates_);
  exporter->endpoint_ = *std::move(endpoint);
  RWKU_LOG(kInfo, "metrics").With("port", exporter->port());
  return exporter;
}

std::unique_ptr<Exporter::Attachment> Exporter::Attach(coordinator::Coordinator* coordinator,
                                                       store::RocksStore* store,
                                                       const Clock* clock) {
  return endpoint_ == nullptr
             ? nullptr
             : std::make_unique<Attachment>(endpoint_.get(), coordinator, store, clock);
}

}  // namespace rwku::metrics
