#include "worker/engine/train/movement.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include "worker/engine/model/checksum.h"

namespace rwku::engine {
namespace {

bool IsZero(const at::Tensor& tensor) {
  return !tensor.defined() || tensor.abs().max().to(at::kFloat).item<float>() == 0;
}

}  // namespace

MovementCheck::MovementCheck(CausalLm& model, const TrainableWeights& weights,
                             const AdamW& optimizer)
    : weights_(weights), optimizer_(optimizer) {
  std::unordered_set<const void*> trained;
  for (const at::Tensor& tensor : weights.tensors()) {
    trained.insert(tensor.unsafeGetTensorImpl());
  }
  std::vector<NamedTensor> all = model.NamedParameters();
  for (const auto& [name, linear] : model.NamedLinears()) {
    if (linear->adapter.has_value()) {
      all.emplace_back(absl::StrCat(name, ".lora_A"), linear->adapter->a);
      all.emplace_back(absl::StrCat(name, ".lora_B"), linear->adapter->b);
    }
  }
  for (const NamedTensor& tensor : all) {
    if (trained.count(tensor.second.unsafeGetTensorImpl()) == 0) {
      frozen_.push_back(tensor);
    }
  }
  for (size_t i = 0; i < weights.tensors().size(); ++i) {
    if (optimizer.IsOwn(i)) {
      pending_.push_back({.index = i});
    }
  }
}

bool MovementCheck::IsExcused(size_t index, bool attends) const {
  const std::string& name = weights_.named()[index].first;
  // An adapter's b follows its a.
  if (absl::EndsWith(name, ".lora_A") && IsZero(weights_.tensors()[index + 1])) {
    return true;
  }
  return !attends && (absl::StrContains(name, ".q_proj.") || absl::StrContains(name, ".k_proj."));
}

absl::Status MovementCheck::Before(bool attends) {
  const c10::AutoGradMode no_grad(false);
  for (Pending& pending : pending_) {
    const auto& [name, tensor] = weights_.named()[pending.index];
    pending.is_excused = IsExcused(pending.index, attends);
    if (!pending.is_excused && IsZero(tensor.grad())) {
      return absl::InternalError(absl::StrCat(
          name, ": its gradient is exactly zero, though it trains and the loss is not flat"));
    }
    pending.checksum = TensorChecksum(optimizer_.Master(pending.index));
  }
  for (const auto& [name, tensor] : frozen_) {
    frozen_checksums_.push_back(TensorChecksum(tensor));
  }
  return absl::OkStatus();
}

absl::Status MovementCheck::After(double learning_rate) {
  const c10::AutoGradMode no_grad(false);
  for (size_t i = 0; i < frozen_.size(); ++i) {
    if (TensorChecksum(frozen_[i].second) != frozen_checksums_[i]) {
      return absl::InternalError(
          absl::StrCat(frozen_[i].first, ": it changed, though it does not train"));
    }
  }
  frozen_.clear();
  frozen_checksums_.clear();
  std::vector<Pending> still;
  for (const Pending& pending : pending_) {
    if (TensorChecksum(optimizer_.Master(pending.index)) != pending.checksum) {
      continue;
    }
    if (!pending.is_excused && !optimizer_.RoundsAway(pending.index, learning_rate)) {
      return absl::InternalError(
          absl::StrCat(weights_.named()[pending.index].first,
                       ": it did not move, though it trains and has a gradient"));
    }
    still.push_back(pending);
  }
  pending_ = std::move(still);
  return absl::OkStatus();
}

}  // namespace rwku::engine
