#include "worker/engine/train/trainable.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace rwku::engine {
namespace {

// Whether the loss depends on the weight and the choice has it.
bool IsChosen(const TrainableChoice& choice, absl::string_view name) {
  const std::optional<int> layer = LayerOfName(name);
  if (!layer.has_value()) {
    const bool precedes_layers = absl::StartsWith(name, "model.embed_tokens");
    return !choice.layers.has_value() && (!choice.loss_layer.has_value() || precedes_layers);
  }
  const bool in_range =
      !choice.layers.has_value() || (*layer >= choice.layers->begin && *layer < choice.layers->end);
  return in_range && (!choice.loss_layer.has_value() || *layer <= *choice.loss_layer);
}

}  // namespace

std::optional<int> LayerOfName(absl::string_view name) {
  int layer = 0;
  if (!absl::ConsumePrefix(&name, "model.layers.") ||
      !absl::SimpleAtoi(name.substr(0, name.find('.')), &layer)) {
    return std::nullopt;
  }
  return layer;
}

TrainableChoice ChoiceOf(const TrainingPlan& plan) {
  TrainableChoice choice{plan.trained, plan.layers, std::nullopt};
  const bool retain_reaches_all =
      plan.retain.term == RetainTerm::kNll || plan.retain.term == RetainTerm::kKl;
  if (plan.objective == Objective::kRmu && !retain_reaches_all) {
    choice.loss_layer = plan.layer;
  }
  return choice;
}

TrainableWeights::TrainableWeights(CausalLm* model, const TrainableChoice& choice) {
  for (const auto& [name, tensor] : model->NamedParameters()) {
    tensor.requires_grad_(false);
    if (choice.trained == TrainedWeights::kFull && IsChosen(choice, name)) {
      Add(name, tensor);
    }
  }
  for (const auto& [name, linear] : model->NamedLinears()) {
    if (choice.trained == TrainedWeights::kLora && linear->adapter.has_value() &&
        IsChosen(choice, name)) {
      Add(absl::StrCat(name, ".lora_A"), linear->adapter->a);
      Add(absl::StrCat(name, ".lora_B"), linear->adapter->b);
    }
  }
}

TrainableWeights::~TrainableWeights() {
  for (const at::Tensor& tensor : tensors_) {
    tensor.mutable_grad().reset();
    tensor.requires_grad_(false);
  }
}

int64_t TrainableWeights::parameters() const {
  int64_t count = 0;
  for (const at::Tensor& tensor : tensors_) {
    count += tensor.numel();
  }
  return count;
}

void TrainableWeights::Add(const std::string& name, const at::Tensor& tensor) {
  tensors_.push_back(tensor.requires_grad_(true));
  named_.emplace_back(name, tensor);
}

}  // namespace rwku::engine
