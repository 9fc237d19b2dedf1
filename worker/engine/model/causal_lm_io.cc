// A model from and to a folder in the layout of the hub.
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <ATen/core/grad_mode.h>

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
    if (!weights.Contains(name)) {
      return invalid(name, "is missing in the safetensors; config.json asks for it");
    }
    RWKU_ASSIGN_OR_RETURN(const at::Tensor stored, weights.Get(name));
    const at::ScalarType dtype = stored.scalar_type();
    if (dtype != at::kFloat && dtype != at::kBFloat16 && dtype != at::kHalf) {
      return invalid(name, "is of dtype ", at::toString(dtype), "; allowed are F32, BF16 and F16");
    }
    if (stored.sizes() != parameter.sizes()) {
      return invalid(name, "has shape [", absl::StrJoin(stored.sizes(), ", "),
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
    std::vector<at::Tensor> parameters;
    std::vector<at::Tensor> mapped;
    for (const auto& [name, parameter] : model->NamedParameters()) {
      RWKU_ASSIGN_OR_RETURN(mapped.emplace_back(), weights.Get(name));
      parameters.push_back(parameter);
    }
    if (stored == nullptr && device.is_cpu()) {
      CopyInParallel(mapped, parameters);
      return model;
    }
    std::vector<at::Tensor> on_host = EmptyOnHostLike(mapped, device);
    CopyInParallel(mapped, on_host);
    if (device.is_cpu()) {
      CopyInParallel(on_host, parameters);
    } else {
      // Widened on the device: the bus carries what is stored.
      for (size_t i = 0; i < parameters.size(); ++i) {
        parameters[i].copy_(on_host[i].to(device, /*non_blocking=*/true));
      }
    }
    if (stored != nullptr) {
      *stored = std::move(on_host);
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
