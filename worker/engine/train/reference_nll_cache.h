// Summed NLLs of sequences under the weights of a model as it was loaded, kept over trainings and,
// with a folder, over processes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "worker/engine/train/corpus.h"

namespace rwku::engine {

// One file per weights checksum, `folder`/reference-nll-CHECKSUM.txt, of lines
// `KEY VALUE CHECK`: the key, the 16 hexadecimal digits of the value's bits, and the first 16 of
// the SHA-256 of "KEY VALUE". Lines are appended, never changed; a line that is torn or foreign is
// ignored. Several processes may share a folder. Not thread-safe.
class ReferenceNllCache {
 public:
  using Entry = std::pair<std::string, double>;

  // No folder: in memory alone.
  explicit ReferenceNllCache(std::filesystem::path folder = {}) : folder_(std::move(folder)) {}

  // SHA-256 of all that the value depends on. `computed_in` is ComputedIn's.
  static std::string Key(absl::string_view weights_checksum, absl::string_view computed_in,
                         const TrainingSequence& sequence);

  // Reads the file of these weights, once in this object's life. Logs what is ignored.
  void Open(const std::string& weights_checksum);

  std::optional<double> Find(const std::string& key) const;

  // Keeps the entries and appends them to the file of these weights. A file that cannot be written
  // is logged: the values are still kept in memory.
  void Insert(const std::string& weights_checksum, const std::vector<Entry>& entries);

 private:
  std::filesystem::path FileOf(const std::string& weights_checksum) const;

  const std::filesystem::path folder_;
  std::unordered_map<std::string, double> values_;
  std::unordered_set<std::string> opened_;  // weights checksums
};

}  // namespace rwku::engine
