#include "worker/engine/train/lora.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "base/near_match.h"
#include "base/random.h"
#include "worker/engine/train/trainable.h"

namespace rwku::engine {
namespace {

bool Targets(const LoraPlan& plan, const std::string& linear) {
  return std::any_of(
      plan.target_modules.begin(), plan.target_modules.end(),
      [&](const std::string& module) { return absl::EndsWith(linear, absl::StrCat(".", module)); });
}

}  // namespace

absl::Status ValidateLoraPlan(const LoraPlan& plan) {
  constexpr int kMaxRank = 65536;
  if (plan.rank < 1 || plan.rank > kMaxRank) {
    return absl::InvalidArgumentError(
        absl::StrCat("lora.rank is ", plan.rank, ", must be 1 to ", kMaxRank));
  }
  if (!std::isfinite(plan.alpha) || plan.alpha <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("lora.alpha is ", plan.alpha, ", must be a positive number"));
  }
  if (plan.target_modules.empty()) {
    return absl::InvalidArgumentError("lora.target_modules is empty, at least one is needed");
  }
  return absl::OkStatus();
}

absl::Status ValidateLoraTargets(const LoraPlan& plan, const CausalLm& model) {
  const std::vector<std::string> known = model.ProjectionNames();
  for (const std::string& module : plan.target_modules) {
    if (std::find(known.begin(), known.end(), module) == known.end()) {
      return absl::InvalidArgumentError(UnknownNameMessage("lora.target_modules", module, known));
    }
  }
  return absl::OkStatus();
}

void AttachLora(const LoraPlan& plan, const std::optional<LayerRange>& layers, uint64_t seed,
                CausalLm* model) {
  for (auto& [name, linear] : model->NamedLinears()) {
    const std::optional<int> layer = LayerOfName(name);
    const bool is_chosen = layer.has_value() && (!layers.has_value() ||
                                                 (*layer >= layers->begin && *layer < layers->end));
    if (!is_chosen || !Targets(plan, name)) {
      continue;
    }
    const int64_t outputs = linear->weight.size(0);
    const int64_t inputs = linear->weight.size(1);
    const double bound = 1.0 / std::sqrt(static_cast<double>(inputs));
    Random random(seed, absl::StrCat("lora_A.", name));
    at::Tensor a = at::empty({plan.rank, inputs}, at::TensorOptions().dtype(at::kFloat));
    auto* const values = a.mutable_data_ptr<float>();
    for (int64_t i = 0; i < a.numel(); ++i) {
      values[i] = static_cast<float>((2 * random.Uniform() - 1) * bound);
    }
    LoraAdapter adapter;
    adapter.a = a.to(model->device());
    adapter.b = at::zeros({outputs, plan.rank},
                          at::TensorOptions().dtype(at::kFloat).device(model->device()));
    adapter.scale = plan.alpha / plan.rank;
    linear->adapter = adapter;
  }
}

void MergeAdapters(CausalLm* model) {
  const c10::AutoGradMode no_grad(false);
  for (auto& [name, linear] : model->NamedLinears()) {
    if (linear->adapter.has_value()) {
      linear->weight.add_(at::mm(linear->adapter->b, linear->adapter->a), linear->adapter->scale);
    }
  }
  model->RemoveAdapters();
}

}  // namespace rwku::engine
