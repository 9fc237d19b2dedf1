// A model from and to a folder in the layout of the hub.
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/model/host_block.h"
#include "worker/engine/model/safetensors.h"
#include "worker/engine/torch_status.h"

namespace rwku::engine {

namespace {

constexpr char kRotaryBuffer[] = "rotary_emb.inv_freq";  // stored by old conversions, derived
constexpr char kHead[] = "lm_head.weight";

// That the files hold just what a model of `shapes` needs. Reads headers alone.
absl::Status CheckWeights(const SafetensorsFolder& weights, const std::filesystem::path& folder,
                          const CausalLm& shapes) {
  const auto invalid = [&folder](const std::string& name, const auto&... what) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder.string(), ": tensor '", name, "' ", what...));
  };
  std::set<std::string> known;
  for (const auto& [name, parameter] : shapes.NamedParameters()) {
    known.insert(name);
    const SafetensorsEntry* const stored = weights.Find(name);
    if (stored == nullptr) {
      return invalid(name, "is missing in the safetensors; config.json asks for it");
    }
    const at::ScalarType dtype = stored->dtype;
    if (dtype != at::kFloat && dtype != at::kBFloat16 && dtype != at::kHalf) {
      return invalid(name, "is of dtype ", at::toString(dtype), "; allowed are F32, BF16 and F16");
    }
    if (parameter.sizes() != at::IntArrayRef(stored->shape)) {
      return invalid(name, "has shape [", absl::StrJoin(stored->shape, ", "),
                     "]; config.json asks for [", absl::StrJoin(parameter.sizes(), ", "), "]");
    }
  }
  for (const std::string& name : weights.Names()) {
    const bool is_tied_head = name == kHead && shapes.config().tie_word_embeddings;
    const bool is_rotary = name.size() >= sizeof(kRotaryBuffer) &&
                           name.rfind(kRotaryBuffer) == name.size() - (sizeof(kRotaryBuffer) - 1);
    if (!known.contains(name) && !is_tied_head && !is_rotary) {
      return invalid(name, "belongs to no part of a ", shapes.config().model_type, " model");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<CausalLm>> LoadCausalLm(const std::filesystem::path& folder,
                                                       at::Device device,
                                                       std::optional<at::ScalarType> dtype,
                                                       std::vector<at::Tensor>* stored) {
  return CatchTorch([&]() -> absl::StatusOr<std::unique_ptr<CausalLm>> {
    RWKU_ASSIGN_OR_RETURN(ModelConfig config, LoadModelConfig(folder));
    RWKU_ASSIGN_OR_RETURN(const SafetensorsFolder weights, SafetensorsFolder::Open(folder));
    // Shapes before memory: a config of another model must not cost an allocation of its size.
    RWKU_RETURN_IF_ERROR(CheckWeights(weights, folder, CausalLm(config, at::kMeta, dtype)));
    auto model = std::make_unique<CausalLm>(std::move(config), device, dtype);
    const at::AutoGradMode no_grad(false);
    const CancelToken never;
    std::vector<NamedTensor> parameters = model->NamedParameters();
    if (stored == nullptr) {
      RWKU_RETURN_IF_ERROR(weights.ReadInto(parameters, never));
      return model;
    }
    std::vector<at::Tensor> shapes;
    for (const auto& [name, parameter] : parameters) {
      shapes.push_back(at::empty(parameter.sizes(),
                                 at::TensorOptions(at::kMeta).dtype(weights.Find(name)->dtype)));
    }
    *stored = EmptyOnHostLike(shapes, device);
    std::vector<NamedTensor> as_stored;
    std::vector<at::Tensor> destinations;
    for (size_t i = 0; i < parameters.size(); ++i) {
      as_stored.emplace_back(parameters[i].first, (*stored)[i]);
      destinations.push_back(parameters[i].second);
    }
    RWKU_RETURN_IF_ERROR(weights.ReadInto(as_stored, never));
    if (device.is_cpu()) {
      CopyInParallel(*stored, destinations);
      return model;
    }
    // Widened on the device: the bus carries what is stored.
    for (size_t i = 0; i < destinations.size(); ++i) {
      destinations[i].copy_((*stored)[i].to(device, /*non_blocking=*/true));
    }
    return model;
  });
}

absl::Status SaveCausalLm(CausalLm& model, const std::filesystem::path& folder) {
  for (const auto& [name, linear] : model.NamedLinears()) {
    if (linear->adapter) {
      return absl::FailedPreconditionError(
          absl::StrCat(folder.string(), ": '", name, "' has an adapter; only bare weights save"));
    }
  }
  return CatchTorch([&] {
    ModelConfig config = model.config();
    config.torch_dtype = "float32";
    std::vector<NamedTensor> weights = model.NamedParameters();
    for (auto& [name, weight] : weights) {
      weight = weight.detach().to(at::kFloat);
    }
    RWKU_RETURN_IF_ERROR(SaveSafetensors(weights, folder / "model.safetensors"));
    return WriteFileAtomically(folder / "config.json", ModelConfigToJson(config));
  });
}

}  // namespace rwku::engine
