// The coordinator's counters and histograms. docs/metrics.md has every name; labels take their
// values from fixed sets only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include "net/rpc_observer.h"
#include "server/metrics/lease_ledger.h"
#include "server/store/store.h"

namespace rwku::metrics {

// Thread-safe. Outlives everything that counts with it.
class ServerMetrics final : public net::RpcObserver, public prometheus::Collectable {
 public:
  ServerMetrics();
  ~ServerMetrics() override;
  ServerMetrics(const ServerMetrics&) = delete;
  ServerMetrics& operator=(const ServerMetrics&) = delete;

  std::vector<prometheus::MetricFamily> Collect() const override;

  // --- net::RpcObserver. ---

  void OnStarted(const std::string& method) override;
  void OnEnded(const std::string& method, grpc::StatusCode code, absl::Duration duration) override;

  // --- The store. ---

  void OnLoaded(const scheduler::PersistentState& state);
  // After Store::Commit returned `status`; `batches` were given to it together.
  void OnCommit(const std::vector<store::Batch>& batches, const absl::Status& status,
                absl::Duration duration);

  // --- The coordinator. ---

  // A worker spoke for a lease that is over, and was told to stop.
  void OnLeaseRefused();

 private:
  // The series of one method.
  struct Rpc {
    bool unary = true;
    prometheus::Counter* started = nullptr;
    prometheus::Gauge* in_flight = nullptr;
    prometheus::Histogram* duration = nullptr;  // null for streams
  };

  void AddRpc(const std::string& method, const std::string& label, bool unary);
  const Rpc& Find(const std::string& method, std::string* label) const;
  void CountChange(const scheduler::StateChange& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountTargets(const scheduler::JobRecord& job);

  prometheus::Registry registry_;

  prometheus::Family<prometheus::Counter>& rpc_started_;
  prometheus::Family<prometheus::Counter>& rpc_handled_;
  prometheus::Family<prometheus::Gauge>& rpc_in_flight_;
  prometheus::Family<prometheus::Histogram>& rpc_duration_;
  std::map<std::string, std::pair<std::string, Rpc>> rpcs_;  // by method: label and series

  prometheus::Counter& leases_granted_;
  prometheus::Counter& leases_expired_;
  prometheus::Counter& leases_refused_;
  prometheus::Counter& gangs_formed_;
  prometheus::Counter& gangs_broken_;
  std::map<AttemptOutcome, prometheus::Counter*> attempts_;
  prometheus::Family<prometheus::Counter>& targets_done_;
  std::map<std::string, prometheus::Counter*> targets_by_method_;

  prometheus::Histogram& commit_duration_;
  prometheus::Histogram& commit_transitions_;
  prometheus::Counter& commit_failures_;
  prometheus::Counter& predictions_stored_;

  absl::Mutex mu_;
  LeaseLedger ledger_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rwku::metrics
