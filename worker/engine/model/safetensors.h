// Safetensors files: memory-mapped reading with the header fully validated before a byte of data is
// believed, and atomic writing. https://huggingface.co/docs/safetensors describes the format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include <ATen/core/Tensor.h>

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

// Validates the whole header of a file of `file_size` bytes that starts with `prefix` (at least the
// header, at most the file): length at most 100 MB and within the file, JSON of bounded depth,
// known dtypes, shapes whose product does not overflow, byte ranges that equal shape x dtype and
// cover the data without gap, overlap or trailing bytes, no name twice. INVALID_ARGUMENT names
// `file` and the tensor.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(absl::string_view prefix,
                                                         uint64_t file_size,
                                                         absl::string_view file);

// One mapped file. Immutable; thread-safe. Tensors alias the mapping, which lives as long as any of
// them does; writing to them is forbidden (the pages are read-only).
class SafetensorsFile {
 public:
  // NOT_FOUND, PERMISSION_DENIED or INTERNAL name the path; INVALID_ARGUMENT as above.
  static absl::StatusOr<SafetensorsFile> Open(const std::filesystem::path& path);

  const SafetensorsHeader& header() const { return header_; }
  const std::filesystem::path& path() const { return path_; }

  // NOT_FOUND names the file and the tensor.
  absl::StatusOr<at::Tensor> Get(const std::string& name) const;

 private:
  SafetensorsFile() = default;

  std::filesystem::path path_;
  SafetensorsHeader header_;
  std::shared_ptr<const char> data_;  // shared with the tensors that alias it
};

// The weights of a model folder: model.safetensors, or where that is missing the shards that
// model.safetensors.index.json names. Every tensor lies in exactly the shard that the index says.
class SafetensorsFolder {
 public:
  static absl::StatusOr<SafetensorsFolder> Open(const std::filesystem::path& folder);

  std::vector<std::string> Names() const;
  bool Contains(const std::string& name) const { return shard_of_.contains(name); }
  // Aliases the mapping. NOT_FOUND names the folder and the tensor.
  absl::StatusOr<at::Tensor> Get(const std::string& name) const;

 private:
  SafetensorsFolder() = default;

  std::filesystem::path folder_;
  std::vector<SafetensorsFile> shards_;
  std::map<std::string, size_t> shard_of_;
};

// Writes `tensors` (any device, made contiguous) in the given order with metadata {"format": "pt"},
// so that a crash leaves the old file or the new one. RESOURCE_EXHAUSTED when the disk is full.
absl::Status SaveSafetensors(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                             const std::filesystem::path& path);

}  // namespace rwku::engine
