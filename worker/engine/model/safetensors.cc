#include "worker/engine/model/safetensors.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "absl/strings/str_cat.h"
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <nlohmann/json.hpp>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/status_macros.h"
#include "text/json_file.h"

namespace rwku::engine {

namespace {

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";
constexpr size_t kAlignment = 8;

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

// The whole file, mapped for reading.
absl::StatusOr<std::pair<std::shared_ptr<const char>, uint64_t>> MapFile(
    const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return SystemError(path, errno);
  }
  struct stat info = {};
  if (fstat(descriptor, &info) != 0) {
    const int error = errno;
    close(descriptor);
    return SystemError(path, error);
  }
  if (!S_ISREG(info.st_mode) || info.st_size == 0) {
    close(descriptor);
    return absl::InvalidArgumentError(
        absl::StrCat(path.string(), ": empty, or not a regular file"));
  }
  const auto size = static_cast<size_t>(info.st_size);
  void* const address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  const int error = errno;
  close(descriptor);
  if (address == MAP_FAILED) {
    return SystemError(path, error);
  }
  // shared_ptr: the mapping must outlive every tensor that aliases it.
  std::shared_ptr<const char> data(static_cast<const char*>(address), [size](const char* start) {
    munmap(const_cast<char*>(start), size);
  });
  return std::pair(std::move(data), static_cast<uint64_t>(size));
}

const char* DtypeToName(at::ScalarType dtype) {
  switch (dtype) {
    case at::ScalarType::Float:
      return "F32";
    case at::ScalarType::BFloat16:
      return "BF16";
    case at::ScalarType::Half:
      return "F16";
    case at::ScalarType::Double:
      return "F64";
    case at::ScalarType::Long:
      return "I64";
    case at::ScalarType::Int:
      return "I32";
    case at::ScalarType::Bool:
      return "BOOL";
    case at::ScalarType::Byte:
      return "U8";
    default:
      return nullptr;
  }
}

}  // namespace

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::filesystem::path& path) {
  RWKU_ASSIGN_OR_RETURN(auto mapped, MapFile(path));
  SafetensorsFile file;
  file.path_ = path;
  file.data_ = std::move(mapped.first);
  RWKU_ASSIGN_OR_RETURN(file.header_,
                        ParseSafetensorsHeader(absl::string_view(file.data_.get(), mapped.second),
                                               mapped.second, path.string()));
  return file;
}

absl::StatusOr<at::Tensor> SafetensorsFile::Get(const std::string& name) const {
  const auto found = header_.entries.find(name);
  if (found == header_.entries.end()) {
    return absl::NotFoundError(absl::StrCat(path_.string(), ": no tensor '", name, "'"));
  }
  const SafetensorsEntry& entry = found->second;
  const char* const start = data_.get() + header_.data_offset + entry.begin;
  const auto options = at::TensorOptions().dtype(entry.dtype);
  if (reinterpret_cast<uintptr_t>(start) % c10::elementSize(entry.dtype) != 0) {
    // The format asks for no alignment, the processor does.
    at::Tensor copy = at::empty(entry.shape, options);
    std::memcpy(copy.mutable_data_ptr(), start, entry.end - entry.begin);
    return copy;
  }
  return at::from_blob(
      const_cast<char*>(start), entry.shape, [data = data_](void*) {}, options);
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

absl::StatusOr<at::Tensor> SafetensorsFolder::Get(const std::string& name) const {
  const auto found = shard_of_.find(name);
  if (found == shard_of_.end()) {
    return absl::NotFoundError(
        absl::StrCat(folder_.string(), ": no tensor '", name, "' in its safetensors"));
  }
  return shards_[found->second].Get(name);
}

absl::Status SaveSafetensors(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                             const std::filesystem::path& path) {
  nlohmann::ordered_json header;
  header["__metadata__"]["format"] = "pt";
  uint64_t end = 0;
  for (const auto& [name, tensor] : tensors) {
    const char* const dtype = DtypeToName(tensor.scalar_type());
    if (dtype == nullptr || header.contains(name)) {
      return absl::InvalidArgumentError(absl::StrCat(
          path.string(), ": tensor '", name, "' has a dtype that is not written, or stands twice"));
    }
    const uint64_t begin = end;
    end += tensor.nbytes();
    header[name] = {{"dtype", dtype},
                    {"shape", std::vector<int64_t>(tensor.sizes().begin(), tensor.sizes().end())},
                    {"data_offsets", {begin, end}}};
  }
  std::string json = header.dump();
  json.resize((json.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  const uint64_t length = json.size();
  std::string contents;
  contents.reserve(sizeof(length) + length + end);
  contents.append(reinterpret_cast<const char*>(&length), sizeof(length));
  contents.append(json);
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor bytes = tensor.detach().to(at::kCPU).contiguous();
    contents.append(static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes());
  }
  return WriteFileAtomically(path, contents);
}

}  // namespace rwku::engine
