// A Store that tells ServerMetrics of what passes through it.
#pragma once

#include <functional>
#include <vector>

#include "base/clock.h"
#include "server/metrics/server_metrics.h"
#include "server/store/store.h"

namespace rwku::metrics {

// Thread-safe as the store is. What it is given outlives it.
class MeteredStore final : public store::Store {
 public:
  MeteredStore(store::Store* store, ServerMetrics* metrics, const Clock* clock)
      : store_(store), metrics_(metrics), clock_(clock) {}

  absl::StatusOr<scheduler::PersistentState> Load() override;
  absl::Status Commit(const std::vector<store::Batch>& batches) override;
  absl::Status Probe(size_t bytes) override { return store_->Probe(bytes); }
  absl::StatusOr<std::vector<store::EventRecord>> ReadEvents(const RunId& run, uint64_t after,
                                                             size_t limit) override {
    return store_->ReadEvents(run, after, limit);
  }
  absl::Status ReadPredictions(
      const JobId& job, uint64_t fencing_token, size_t first,
      const std::function<bool(size_t position, absl::string_view prediction)>& visit) override {
    return store_->ReadPredictions(job, fencing_token, first, visit);
  }
  absl::StatusOr<int> CountChunks(const JobId& job, uint64_t fencing_token) override {
    return store_->CountChunks(job, fencing_token);
  }
  absl::Status Backup(const std::filesystem::path& folder) override {
    return store_->Backup(folder);
  }

 private:
  store::Store* const store_;
  ServerMetrics* const metrics_;
  const Clock* const clock_;
};

}  // namespace rwku::metrics
