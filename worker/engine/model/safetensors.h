// Safetensors files: reading with the header fully validated before a byte of data is believed, and
// atomic writing. https://huggingface.co/docs/safetensors describes the format. Data is read into
// memory of its own, never mapped: a file that somebody cuts off meanwhile is an error, not a
// signal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include <ATen/core/Tensor.h>

#include "base/cancel.h"

namespace rwku::engine {

// One entry of a header. `begin` and `end` count from the start of the data, after the header.
struct SafetensorsEntry {
  at::ScalarType dtype = at::ScalarType::Float;
  std::vector<int64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::map<std::string, SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
  uint64_t data_offset = 0;  // of the first data byte in the file
};

inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;

// Validates the whole header of a file of `file_size` bytes that starts with `prefix` (at least the
// header, at most the file): length at most 100 MB and within the file, JSON of bounded depth,
// known dtypes, shapes whose product does not overflow, byte ranges that equal shape x dtype and
// cover the data without gap, overlap or trailing bytes, no name twice. INVALID_ARGUMENT names
// `file` and the tensor.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(absl::string_view prefix,
                                                         uint64_t file_size,
                                                         absl::string_view file);

// A file that stays open, and how it was when it was opened. Defined in the source file.
class OpenWeightsFile;

// One file. Immutable; thread-safe. Reading it fails with UNAVAILABLE, naming the file, once it is
// no longer what was opened: cut off, written to (its time of modification tells), removed, or
// another file under its name. Reading it again from the start may succeed.
class SafetensorsFile {
 public:
  // NOT_FOUND, PERMISSION_DENIED or INTERNAL name the path; INVALID_ARGUMENT as above.
  static absl::StatusOr<SafetensorsFile> Open(const std::filesystem::path& path);

  const SafetensorsHeader& header() const { return header_; }
  const std::filesystem::path& path() const { return path_; }

  // A tensor of its own memory, on the host, as stored. NOT_FOUND names the file and the tensor.
  absl::StatusOr<at::Tensor> Get(const std::string& name) const;

 private:
  friend class SafetensorsFolder;

  SafetensorsFile() = default;

  std::filesystem::path path_;
  SafetensorsHeader header_;
  std::shared_ptr<const OpenWeightsFile> file_;
};

// The weights of a model folder: model.safetensors, or where that is missing the shards that
// model.safetensors.index.json names. Every tensor lies in exactly the shard that the index says.
// Immutable; thread-safe; errors of reading as of a single file.
class SafetensorsFolder {
 public:
  static absl::StatusOr<SafetensorsFolder> Open(const std::filesystem::path& folder);

  std::vector<std::string> Names() const;
  bool Contains(const std::string& name) const { return shard_of_.contains(name); }
  // What the header says of a tensor; null where there is none. Lives as long as the folder.
  const SafetensorsEntry* Find(const std::string& name) const;
  // As SafetensorsFile::Get(). NOT_FOUND names the folder and the tensor.
  absl::StatusOr<at::Tensor> Get(const std::string& name) const;

  // Reads tensors by name into the ones given: contiguous, of the stored number of elements, of any
  // dtype and on any device. Elements are converted piece by piece, so that no second copy of a
  // tensor exists, by at::get_num_threads() threads. NOT_FOUND as Get(); the cancel token's reason
  // between pieces. What was read before an error is undefined. Throws torch's exceptions.
  absl::Status ReadInto(absl::Span<const std::pair<std::string, at::Tensor>> tensors,
                        const CancelToken& cancel) const;

 private:
  SafetensorsFolder() = default;

  absl::Status NotFound(const std::string& name) const;

  std::filesystem::path folder_;
  std::vector<SafetensorsFile> shards_;
  std::map<std::string, size_t> shard_of_;
};

// A tensor to be written.
struct SafetensorsSource {
  std::string name;
  at::ScalarType dtype = at::ScalarType::Float;  // in the file
  std::vector<int64_t> shape;
  // Makes it, on any device and of any dtype, when its turn has come; called once, on the thread
  // that saves. Where it is not contiguous a copy of it is made.
  std::function<at::Tensor()> make;
};

// Writes tensors in the given order with metadata {"format": "pt"}, so that a crash leaves the old
// file or the new one. At any time one tensor is held, and beside it one buffer of at most 32 MB.
// RESOURCE_EXHAUSTED when the disk is full; the cancel token's reason between buffers; an error
// leaves nothing behind. Throws torch's exceptions.
absl::Status SaveSafetensors(absl::Span<const SafetensorsSource> sources,
                             const std::filesystem::path& path, const CancelToken& cancel);

// The same of tensors that are there, in their own dtypes.
absl::Status SaveSafetensors(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                             const std::filesystem::path& path);

}  // namespace rwku::engine
