// The Store on disk: RocksDB below one folder, every commit synced. docs/storage.md has the keys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "server/store/store.h"

namespace rwku::store {

// The layout that this program writes. Older ones are migrated when opened, newer ones refused.
inline constexpr uint64_t kSchemaVersion = 1;

struct RocksStoreOptions {
  std::filesystem::path folder;  // made if it does not exist
  // Reads every block once when opening, so that damage is found before it is served.
  bool verify_checksums = true;
  // Commits are refused while the disk has less room than this: what RocksDB does by itself (a
  // flush, a compaction) needs some, and cannot be undone half-way.
  uint64_t reserve_bytes = 128ULL << 20;
};

// What RocksDB says of itself, over all column families.
struct RocksHealth {
  uint64_t live_bytes = 0;   // of the newest version of every file with data
  uint64_t files_bytes = 0;  // of every file with data, those that wait to be deleted among them
  uint64_t live_files = 0;
  uint64_t memtable_bytes = 0;
  uint64_t pending_compaction_bytes = 0;
  uint64_t background_errors = 0;  // since the store was opened
  uint64_t write_stalls = 0;       // times that writes were slowed down or stopped, likewise
  bool writes_stopped = false;
  // Of the volume that the store lies on, for this process; 0 if the system does not tell.
  uint64_t volume_bytes = 0;
  uint64_t volume_free_bytes = 0;
};

// Thread-safe.
class RocksStore final : public Store {
 public:
  // DATA_LOSS: damaged, the message names what was found and that a backup must be restored.
  // FAILED_PRECONDITION: another process has it open, or its schema is newer than kSchemaVersion.
  // RESOURCE_EXHAUSTED: the disk is full. PERMISSION_DENIED: the folder cannot be used. INTERNAL:
  // the system refused something else (open files, memory, hardware), and the message says what.
  static absl::StatusOr<std::unique_ptr<RocksStore>> Open(const RocksStoreOptions& options);
  ~RocksStore() override;

  absl::StatusOr<scheduler::PersistentState> Load() override;
  absl::Status Commit(const std::vector<Batch>& batches) override;
  absl::Status Probe(size_t bytes) override;
  absl::StatusOr<std::vector<EventRecord>> ReadEvents(const RunId& run, uint64_t after,
                                                      size_t limit) override;
  absl::Status ReadPredictions(
      const JobId& job, uint64_t fencing_token, size_t first,
      const std::function<bool(size_t position, absl::string_view prediction)>& visit) override;
  absl::StatusOr<int> CountChunks(const JobId& job, uint64_t fencing_token) override;
  // ALREADY_EXISTS if `folder` exists. On the same file system the copy shares its immutable files
  // with the store: move it to another disk to be safe from this one.
  absl::Status Backup(const std::filesystem::path& folder) override;

  // Does not wait for a commit.
  RocksHealth Health() const;

 private:
  class Impl;
  explicit RocksStore(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace rwku::store
