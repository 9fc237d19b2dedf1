// Where the coordinator keeps what must survive it. Two implementations pass one contract suite:
// RocksStore, MemStore.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "base/strong_id.h"
#include "server/scheduler/scheduler.h"
#include "server/scheduler/types.h"

namespace rwku::store {

// A change of a run or job as watchers see it: the record after the change, keyed by its revision.
struct EventRecord {
  uint64_t revision = 0;
  RunId run;
  std::optional<scheduler::RunRecord> run_record;  // exactly one of the two is set
  std::optional<scheduler::JobRecord> job_record;
};

// A chunk of an attempt's predictions. Each prediction is the service's serialized message.
struct PredictionChunk {
  JobId job;
  uint64_t fencing_token = 0;
  int sequence = 0;  // from 0, without gaps
  std::vector<std::string> predictions;
};

// One atomic, durable transition: all of it or nothing.
struct Batch {
  std::vector<scheduler::StateChange>
      changes;  // in order; PutRun and PutJob also append an EventRecord each
  // After `changes`; a chunk that is there already is overwritten.
  std::vector<PredictionChunk> chunks;

  bool empty() const { return changes.empty() && chunks.empty(); }
};

// Thread-safe. Errors: RESOURCE_EXHAUSTED = disk full (nothing of the batch was written; try again
// once there is room); DATA_LOSS = the store is corrupt or a write failed half-way: stop, never
// acknowledge; the message names the file. INTERNAL = the system refused to read; the message says
// why.
class Store {
 public:
  virtual ~Store() = default;

  // Everything the scheduler starts from.
  virtual absl::StatusOr<scheduler::PersistentState> Load() = 0;

  // Applies the batches in order, atomically and synced to disk: when this returns OK they survive
  // a power cut.
  virtual absl::Status Commit(const std::vector<Batch>& batches) = 0;

  // OK if a commit of `bytes` would find room now. RESOURCE_EXHAUSTED if not; DATA_LOSS if no
  // commit will be taken any more.
  virtual absl::Status Probe(size_t bytes) = 0;

  // Up to `limit` events of `run` with revision > `after`, in order.
  virtual absl::StatusOr<std::vector<EventRecord>> ReadEvents(const RunId& run, uint64_t after,
                                                              size_t limit) = 0;

  // Calls `visit` with the predictions of an attempt from position `first` on, in order, until it
  // returns false.
  virtual absl::Status ReadPredictions(
      const JobId& job, uint64_t fencing_token, size_t first,
      const std::function<bool(size_t position, absl::string_view prediction)>& visit) = 0;

  // The number of chunks 0..n-1 that are there without a gap.
  virtual absl::StatusOr<int> CountChunks(const JobId& job, uint64_t fencing_token) = 0;

  // Copies the store to a new folder while it runs. The copy opens as a store.
  virtual absl::Status Backup(const std::filesystem::path& folder) = 0;
};

}  // namespace rwku::store
