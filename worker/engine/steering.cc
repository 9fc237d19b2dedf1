#include "worker/engine/steering.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include "base/status_macros.h"
#include "worker/engine/torch_status.h"

namespace rwku::engine {

namespace {

absl::Status CheckPlan(const SteeringPlan& plan, const LayerRange& layers, int64_t layer_count) {
  if (!std::isfinite(plan.strength)) {
    return absl::InvalidArgumentError(
        absl::StrCat("strength is ", plan.strength, "; allowed are finite numbers"));
  }
  if (layers.begin < 0 || layers.begin >= layers.end || layers.end > layer_count) {
    return absl::InvalidArgumentError(absl::StrCat("layers is ", layers.begin, "-", layers.end,
                                                   "; allowed are ranges within 0-", layer_count));
  }
  return absl::OkStatus();
}

// The outputs of all layers at the last token of the user turn, [hidden] each, on the host.
absl::StatusOr<std::vector<at::Tensor>> LastStates(const CausalLm& model,
                                                   const text::Tokenizer& tokenizer,
                                                   absl::string_view field,
                                                   const std::string& user) {
  if (user.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(field, " is empty; a text is needed"));
  }
  RWKU_ASSIGN_OR_RETURN(const std::string prompt,
                        tokenizer.ApplyChatTemplate({{"user", user}},
                                                    /*add_generation_prompt=*/true));
  RWKU_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens,
                        tokenizer.Encode(prompt, /*add_special_tokens=*/true));
  RWKU_RETURN_IF_ERROR(CheckTokens(model.config(), tokens));
  std::vector<at::Tensor> states;
  for (const at::Tensor& output : model.LayerOutputs(MakePacked({tokens}, model.device()))) {
    states.push_back(output[-1].to(at::kCPU, at::kFloat).contiguous());
  }
  return states;
}

}  // namespace

LayerRange DefaultSteeringLayers(int64_t layer_count) {
  const auto rounded = [layer_count](int64_t of_32) {
    return static_cast<int>((of_32 * layer_count + 16) / 32);
  };
  return {rounded(13), rounded(28)};
}

absl::StatusOr<LayerVectors> SteeringVectors(CausalLm& model, const text::Tokenizer& tokenizer,
                                             const SteeringPlan& plan, const CancelToken& cancel) {
  const int64_t layer_count = model.config().num_hidden_layers;
  const LayerRange layers = plan.layers.value_or(DefaultSteeringLayers(layer_count));
  RWKU_RETURN_IF_ERROR(CheckPlan(plan, layers, layer_count));
  return CatchTorch([&]() -> absl::StatusOr<LayerVectors> {
    const at::AutoGradMode no_grad(false);
    RWKU_ASSIGN_OR_RETURN(const auto novice, LastStates(model, tokenizer, "novice", plan.novice));
    RWKU_RETURN_IF_ERROR(cancel.Check());
    RWKU_ASSIGN_OR_RETURN(const auto expert, LastStates(model, tokenizer, "expert", plan.expert));
    RWKU_RETURN_IF_ERROR(cancel.Check());
    LayerVectors vectors(static_cast<size_t>(layer_count));
    for (int layer = layers.begin; layer < layers.end; ++layer) {
      const at::Tensor difference = (novice[layer] - expert[layer]) * plan.strength;
      const auto* const values = difference.const_data_ptr<float>();
      vectors[layer].assign(values, values + difference.numel());
      if (!std::all_of(vectors[layer].begin(), vectors[layer].end(),
                       [](float value) { return std::isfinite(value); })) {
        return absl::DataLossError(absl::StrCat("the control vector of layer ", layer,
                                                " is not finite: the weights have diverged"));
      }
    }
    return vectors;
  });
}

}  // namespace rwku::engine
