#include "worker/engine/model/safetensors.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "base/check.h"
#include "base/status_macros.h"
#include "text/json_file.h"

namespace rwku::engine {

namespace {

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";

// Elements that are converted at once: few enough for a core's cache, many enough for the disk.
constexpr int64_t kPieceElements = 1 << 20;

absl::Status SystemError(const std::filesystem::path& path, int error) {
  const std::string message =
      absl::StrCat(path.string(), ": ", std::generic_category().message(error));
  if (error == ENOENT || error == ENOTDIR) {
    return absl::NotFoundError(message);
  }
  if (error == EACCES || error == EPERM) {
    return absl::PermissionDeniedError(message);
  }
  return absl::InternalError(message);
}

bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

class OpenWeightsFile {
 public:
  static absl::StatusOr<std::shared_ptr<const OpenWeightsFile>> Open(
      const std::filesystem::path& path) {
    const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
      return SystemError(path, errno);
    }
    std::shared_ptr<OpenWeightsFile> file(new OpenWeightsFile(path, descriptor));
    if (fstat(descriptor, &file->opened_) != 0) {
      return SystemError(path, errno);
    }
    if (!S_ISREG(file->opened_.st_mode) || file->opened_.st_size == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(path.string(), ": empty, or not a regular file"));
    }
    return file;
  }

  OpenWeightsFile(const OpenWeightsFile&) = delete;
  OpenWeightsFile& operator=(const OpenWeightsFile&) = delete;
  ~OpenWeightsFile() { close(descriptor_); }

  uint64_t size() const { return static_cast<uint64_t>(opened_.st_size); }

  // Fills `to` with what stands from `offset` on.
  absl::Status Read(uint64_t offset, absl::Span<char> to) const {
    while (!to.empty()) {
      const ssize_t got = pread(descriptor_, to.data(), to.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got < 0) {
        return SystemError(path_, errno);
      }
      if (got == 0) {
        return absl::UnavailableError(
            absl::StrCat(path_.string(), ": ends at byte ", offset, "; it had ", size(),
                         " bytes when it was opened, so somebody cut it off since"));
      }
      to.remove_prefix(static_cast<size_t>(got));
      offset += static_cast<uint64_t>(got);
    }
    return absl::OkStatus();
  }

  // That the path still leads to the file that was opened, and nobody wrote to it. Asked after a
  // read, it vouches for what was read.
  absl::Status CheckUnchanged() const {
    struct stat now = {};
    if (stat(path_.c_str(), &now) == 0 && SameFile(now, opened_)) {
      return absl::OkStatus();
    }
    return absl::UnavailableError(absl::StrCat(
        path_.string(), ": was replaced, written to or removed while it was being read"));
  }

 private:
  OpenWeightsFile(std::filesystem::path path, int descriptor)
      : path_(std::move(path)), descriptor_(descriptor) {}

  const std::filesystem::path path_;
  const int descriptor_;
  struct stat opened_ = {};
};

namespace {

// Elements [begin, begin + count) of a tensor.
struct Piece {
  const OpenWeightsFile* file = nullptr;
  uint64_t offset = 0;  // of its first byte in the file
  at::ScalarType dtype = at::ScalarType::Float;
  at::Tensor to;  // [count]
};

void AppendPieces(const OpenWeightsFile& file, uint64_t data_offset, const SafetensorsEntry& entry,
                  const at::Tensor& to, std::vector<Piece>& pieces) {
  const int64_t size = to.numel();
  const auto element_bytes = static_cast<uint64_t>(c10::elementSize(entry.dtype));
  RWKU_CHECK(to.is_contiguous());
  RWKU_CHECK(static_cast<uint64_t>(size) * element_bytes == entry.end - entry.begin);
  const at::Tensor flat = to.view({-1});
  for (int64_t begin = 0; begin < size; begin += kPieceElements) {
    pieces.push_back({&file,
                      data_offset + entry.begin + static_cast<uint64_t>(begin) * element_bytes,
                      entry.dtype, flat.narrow(0, begin, std::min(kPieceElements, size - begin))});
  }
}

absl::Status ReadPiece(const Piece& piece) {
  const bool is_direct = piece.to.is_cpu() && piece.to.scalar_type() == piece.dtype;
  const at::Tensor bytes =
      is_direct ? piece.to : at::empty({piece.to.numel()}, at::TensorOptions().dtype(piece.dtype));
  RWKU_RETURN_IF_ERROR(piece.file->Read(
      piece.offset, absl::MakeSpan(static_cast<char*>(bytes.mutable_data_ptr()), bytes.nbytes())));
  if (!is_direct) {
    piece.to.copy_(bytes);
  }
  return absl::OkStatus();
}

// The first error that several threads met.
class FirstError {
 public:
  bool happened() const { return happened_.load(std::memory_order_relaxed); }
  void Update(const absl::Status& status) {
    if (!status.ok()) {
      const absl::MutexLock lock(&mu_);
      status_.Update(status);
      happened_.store(true, std::memory_order_relaxed);
    }
  }
  absl::Status status() const {
    const absl::MutexLock lock(&mu_);
    return status_;
  }

 private:
  std::atomic<bool> happened_{false};
  mutable absl::Mutex mu_;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

absl::Status ReadPieces(absl::Span<const Piece> pieces, const CancelToken& cancel) {
  FirstError error;
  at::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    const at::AutoGradMode no_grad(false);
    for (int64_t i = begin; i < end && !error.happened(); ++i) {
      error.Update(cancel.Check());
      if (!error.happened()) {
        error.Update(ReadPiece(pieces[static_cast<size_t>(i)]));
      }
    }
  });
  return error.status();
}

}  // namespace

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::filesystem::path& path) {
  SafetensorsFile file;
  file.path_ = path;
  RWKU_ASSIGN_OR_RETURN(file.file_, OpenWeightsFile::Open(path));
  const uint64_t size = file.file_->size();
  uint64_t header_length = 0;
  std::string prefix(std::min<uint64_t>(size, sizeof(header_length)), '\0');
  RWKU_RETURN_IF_ERROR(file.file_->Read(0, absl::MakeSpan(prefix)));
  if (prefix.size() == sizeof(header_length)) {
    std::memcpy(&header_length, prefix.data(), sizeof(header_length));
    // What is not allowed is not read: the parser says so.
    if (header_length <= std::min(kMaxSafetensorsHeaderBytes, size - sizeof(header_length))) {
      prefix.resize(sizeof(header_length) + header_length);
      RWKU_RETURN_IF_ERROR(file.file_->Read(0, absl::MakeSpan(prefix)));
    }
  }
  RWKU_ASSIGN_OR_RETURN(file.header_, ParseSafetensorsHeader(prefix, size, path.string()));
  return file;
}

absl::StatusOr<at::Tensor> SafetensorsFile::Get(const std::string& name) const {
  const auto found = header_.entries.find(name);
  if (found == header_.entries.end()) {
    return absl::NotFoundError(absl::StrCat(path_.string(), ": no tensor '", name, "'"));
  }
  const SafetensorsEntry& entry = found->second;
  at::Tensor tensor = at::empty(entry.shape, at::TensorOptions().dtype(entry.dtype));
  std::vector<Piece> pieces;
  AppendPieces(*file_, header_.data_offset, entry, tensor, pieces);
  const CancelToken never;
  RWKU_RETURN_IF_ERROR(ReadPieces(pieces, never));
  RWKU_RETURN_IF_ERROR(file_->CheckUnchanged());
  return tensor;
}

absl::StatusOr<SafetensorsFolder> SafetensorsFolder::Open(const std::filesystem::path& folder) {
  SafetensorsFolder result;
  result.folder_ = folder;
  std::error_code ignored;
  // Where both stand, transformers reads the single file.
  if (std::filesystem::exists(folder / kSingleFile, ignored) ||
      !std::filesystem::exists(folder / kIndexFile, ignored)) {
    RWKU_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(folder / kSingleFile));
    for (const auto& [name, entry] : file.header().entries) {
      result.shard_of_.emplace(name, 0);
    }
    result.shards_.push_back(std::move(file));
    return result;
  }
  const std::string index_path = (folder / kIndexFile).string();
  RWKU_ASSIGN_OR_RETURN(const nlohmann::json index, text::ReadJsonObject(index_path));
  if (!index.contains("weight_map") || !index["weight_map"].is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(index_path, ": weight_map is missing or no object"));
  }
  std::map<std::string, size_t> shard_numbers;
  for (const auto& [name, shard] : index["weight_map"].items()) {
    if (!shard.is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat(index_path, ": weight_map: tensor '", name, "' has no file name"));
    }
    const auto shard_name = shard.get<std::string>();
    // A shard lies in the folder itself: a path could lead anywhere.
    if (shard_name.empty() || shard_name[0] == '.' ||
        shard_name.find_first_of("/\\") != std::string::npos ||
        shard_name.find('\0') != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat(index_path, ": weight_map: tensor '", name,
                                                     "': '", shard_name,
                                                     "' is not the plain name of a file"));
    }
    const auto [entry, is_new] = shard_numbers.emplace(shard_name, result.shards_.size());
    if (is_new) {
      RWKU_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(folder / shard_name));
      result.shards_.push_back(std::move(file));
    }
    const SafetensorsFile& file = result.shards_[entry->second];
    if (!file.header().entries.contains(name)) {
      return absl::InvalidArgumentError(absl::StrCat(index_path, ": tensor '", name,
                                                     "' is not in '", shard_name,
                                                     "', where weight_map says it is"));
    }
    result.shard_of_.emplace(name, entry->second);
  }
  for (size_t i = 0; i < result.shards_.size(); ++i) {
    for (const auto& [name, entry] : result.shards_[i].header().entries) {
      const auto found = result.shard_of_.find(name);
      if (found == result.shard_of_.end() || found->second != i) {
        return absl::InvalidArgumentError(absl::StrCat(result.shards_[i].path().string(),
                                                       ": tensor '", name,
                                                       "' is not placed there by ", index_path));
      }
    }
  }
  return result;
}

std::vector<std::string> SafetensorsFolder::Names() const {
  std::vector<std::string> names;
  names.reserve(shard_of_.size());
  for (const auto& [name, shard] : shard_of_) {
    names.push_back(name);
  }
  return names;
}

const SafetensorsEntry* SafetensorsFolder::Find(const std::string& name) const {
  const auto found = shard_of_.find(name);
  return found == shard_of_.end() ? nullptr
                                  : &shards_[found->second].header().entries.find(name)->second;
}

absl::Status SafetensorsFolder::NotFound(const std::string& name) const {
  return absl::NotFoundError(
      absl::StrCat(folder_.string(), ": no tensor '", name, "' in its safetensors"));
}

absl::StatusOr<at::Tensor> SafetensorsFolder::Get(const std::string& name) const {
  const auto found = shard_of_.find(name);
  return found == shard_of_.end() ? NotFound(name) : shards_[found->second].Get(name);
}

absl::Status SafetensorsFolder::ReadInto(
    absl::Span<const std::pair<std::string, at::Tensor>> tensors, const CancelToken& cancel) const {
  const at::AutoGradMode no_grad(false);
  std::vector<Piece> pieces;
  for (const auto& [name, tensor] : tensors) {
    const auto found = shard_of_.find(name);
    if (found == shard_of_.end()) {
      return NotFound(name);
    }
    const SafetensorsFile& shard = shards_[found->second];
    AppendPieces(*shard.file_, shard.header().data_offset, shard.header().entries.at(name), tensor,
                 pieces);
  }
  RWKU_RETURN_IF_ERROR(ReadPieces(pieces, cancel));
  for (const SafetensorsFile& shard : shards_) {
    RWKU_RETURN_IF_ERROR(shard.file_->CheckUnchanged());
  }
  return absl::OkStatus();
}

}  // namespace rwku::engine
