#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "worker/engine/model/safetensors.h"

namespace rwku::engine {
namespace {

constexpr size_t kAlignment = 8;
constexpr int64_t kBufferBytes = 32'000'000;

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

// The length of the header and the header, padded so that the data is aligned.
absl::StatusOr<std::string> HeaderOf(absl::Span<const SafetensorsSource> sources,
                                     const std::filesystem::path& path) {
  nlohmann::ordered_json header;
  header["__metadata__"]["format"] = "pt";
  uint64_t end = 0;
  for (const SafetensorsSource& source : sources) {
    const char* const dtype = DtypeToName(source.dtype);
    if (dtype == nullptr || header.contains(source.name)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path.string(), ": tensor '", source.name,
                       "' has a dtype that is not written, or stands twice"));
    }
    const uint64_t begin = end;
    end += static_cast<uint64_t>(c10::multiply_integers(source.shape)) *
           c10::elementSize(source.dtype);
    header[source.name] = {
        {"dtype", dtype}, {"shape", source.shape}, {"data_offsets", {begin, end}}};
  }
  std::string json = header.dump();
  json.resize((json.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  const uint64_t length = json.size();
  return absl::StrCat(absl::string_view(reinterpret_cast<const char*>(&length), sizeof(length)),
                      json);
}

absl::Status Append(const SafetensorsSource& source, AtomicFileWriter& file,
                    const CancelToken& cancel) {
  const at::Tensor tensor = source.make();
  RWKU_CHECK(tensor.sizes() == at::IntArrayRef(source.shape));
  const at::Tensor flat = tensor.detach().contiguous().view({-1});
  const int64_t step = kBufferBytes / static_cast<int64_t>(c10::elementSize(source.dtype));
  for (int64_t begin = 0; begin < flat.numel(); begin += step) {
    RWKU_RETURN_IF_ERROR(cancel.Check());
    const at::Tensor bytes = flat.narrow(0, begin, std::min(step, flat.numel() - begin))
                                 .to(at::TensorOptions().device(at::kCPU).dtype(source.dtype));
    RWKU_RETURN_IF_ERROR(file.Append(
        absl::string_view(static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes())));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SaveSafetensors(absl::Span<const SafetensorsSource> sources,
                             const std::filesystem::path& path, const CancelToken& cancel) {
  const at::AutoGradMode no_grad(false);
  RWKU_ASSIGN_OR_RETURN(const std::string header, HeaderOf(sources, path));
  RWKU_ASSIGN_OR_RETURN(AtomicFileWriter file, AtomicFileWriter::Create(path));
  RWKU_RETURN_IF_ERROR(file.Append(header));
  for (const SafetensorsSource& source : sources) {
    RWKU_RETURN_IF_ERROR(Append(source, file, cancel));
  }
  return file.Commit();
}

absl::Status SaveSafetensors(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                             const std::filesystem::path& path) {
  std::vector<SafetensorsSource> sources;
  sources.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    sources.push_back(
        {name, tensor.scalar_type(), tensor.sizes().vec(), [&tensor = tensor] { return tensor; }});
  }
  const CancelToken never;
  return SaveSafetensors(sources, path, never);
}

}  // namespace rwku::engine
