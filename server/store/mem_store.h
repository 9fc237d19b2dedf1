// A Store in memory, for tests and simulation: the same contract as RocksStore but for outliving
// the process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

#include "server/store/store.h"

namespace rwku::store {

// Thread-safe.
class MemStore final : public Store {
 public:
  // Called at the begin of every Commit; a status that is not OK is its answer, and nothing is
  // written. The hook runs without a lock held. Probe calls it with no batches. Null: none.
  using CommitHook = std::function<absl::Status(const std::vector<Batch>& batches)>;
  void SetCommitHook(CommitHook hook);
  // Called at the begin of every read of predictions; a status that is not OK is its answer. Runs
  // without a lock held. Null: none.
  using ReadHook = std::function<absl::Status()>;
  void SetReadHook(ReadHook hook);

  absl::StatusOr<scheduler::PersistentState> Load() override;
  absl::Status Commit(const std::vector<Batch>& batches) override;
  absl::Status Probe(size_t bytes) override;
  absl::StatusOr<std::vector<EventRecord>> ReadEvents(const RunId& run, uint64_t after,
                                                      size_t limit) override;
  absl::Status ReadPredictions(
      const JobId& job, uint64_t fencing_token, size_t first,
      const std::function<bool(size_t position, absl::string_view prediction)>& visit) override;
  absl::StatusOr<int> CountChunks(const JobId& job, uint64_t fencing_token) override;
  // UNIMPLEMENTED: there are no files to copy.
  absl::Status Backup(const std::filesystem::path& folder) override;

 private:
  using Attempt = std::pair<JobId, uint64_t>;

  absl::Status CallHook(const std::vector<Batch>& batches);
  absl::Status CallReadHook();
  void Apply(const scheduler::PutRun& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Apply(const scheduler::PutJob& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Apply(const scheduler::EraseRun& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Apply(const scheduler::EraseAttempt& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  absl::Mutex mu_;
  CommitHook hook_ ABSL_GUARDED_BY(mu_);
  ReadHook read_hook_ ABSL_GUARDED_BY(mu_);
  std::map<RunId, scheduler::RunRecord> runs_ ABSL_GUARDED_BY(mu_);
  std::map<std::pair<RunId, int>, scheduler::JobRecord> jobs_ ABSL_GUARDED_BY(mu_);
  std::map<RunId, std::map<uint64_t, EventRecord>> events_ ABSL_GUARDED_BY(mu_);
  // Chunks by sequence.
  std::map<Attempt, std::map<int, std::vector<std::string>>> predictions_ ABSL_GUARDED_BY(mu_);
  uint64_t revision_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace rwku::store
