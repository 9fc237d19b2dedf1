#include "server/metrics/metered_store.h"

#include <utility>

namespace rwku::metrics {

absl::StatusOr<scheduler::PersistentState> MeteredStore::Load() {
  absl::StatusOr<scheduler::PersistentState> state = store_->Load();
  if (state.ok()) {
    metrics_->OnLoaded(*state);
  }
  return state;
}

absl::Status MeteredStore::Commit(const std::vector<store::Batch>& batches) {
  const absl::Duration start = clock_->Monotonic();
  absl::Status status = store_->Commit(batches);
  metrics_->OnCommit(batches, status, clock_->Monotonic() - start);
  return status;
}

}  // namespace rwku::metrics
