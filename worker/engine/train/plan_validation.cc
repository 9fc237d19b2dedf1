#include "worker/engine/train/plan_validation.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "base/status_macros.h"
#include "worker/engine/train/lora.h"
#include "worker/engine/train/trainable.h"

namespace rwku::engine {
namespace {

absl::Status AtLeast(absl::string_view field, int value, int smallest) {
  if (value >= smallest) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", must be at least ", smallest));
}

absl::Status Positive(absl::string_view field, double value) {
  if (std::isfinite(value) && value > 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", must be a positive number"));
}

absl::Status NotNegative(absl::string_view field, double value) {
  if (std::isfinite(value) && value >= 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", must be a number of at least 0"));
}

absl::Status Finite(absl::string_view field, double value) {
  return std::isfinite(value)
             ? absl::OkStatus()
             : absl::InvalidArgumentError(absl::StrCat(field, " is ", value, ", must be a number"));
}

absl::Status ValidateCorpus(const TrainingPlan& plan) {
  const int given =
      (plan.texts.empty() ? 0 : 1) + (plan.chats.empty() ? 0 : 1) + (plan.pairs.empty() ? 0 : 1);
  const bool wants_pairs = plan.objective == Objective::kDpo;
  if (given == 0) {
    return absl::InvalidArgumentError(
        wants_pairs ? "pairs is empty, at least one is needed"
                    : "texts is empty, at least one is needed, or one of chats");
  }
  if (given > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("texts has ", plan.texts.size(), ", chats ", plan.chats.size(), " and pairs ",
                     plan.pairs.size(), "; only one of the three may have any"));
  }
  if (wants_pairs != !plan.pairs.empty()) {
    return absl::InvalidArgumentError(
        wants_pairs ? "pairs is empty, the objective needs pairs and no texts or chats"
                    : absl::StrCat("pairs has ", plan.pairs.size(),
                                   ", the objective needs texts or chats"));
  }
  return absl::OkStatus();
}

absl::Status ValidateObjective(const TrainingPlan& plan) {
  switch (plan.objective) {
    case Objective::kNpo:
    case Objective::kDpo:
    case Objective::kUndial:
      return Positive("beta", plan.beta);
    case Objective::kSimNpo:
      RWKU_RETURN_IF_ERROR(Positive("beta", plan.beta));
      return Finite("margin", plan.margin);
    case Objective::kWga:
      return NotNegative("beta", plan.beta);
    case Objective::kSatImp:
      RWKU_RETURN_IF_ERROR(NotNegative("beta", plan.beta));
      return NotNegative("beta2", plan.beta2);
    case Objective::kRmu:
      return Positive("strength", plan.strength);
    default:
      return absl::OkStatus();
  }
}

absl::Status ValidateRetain(const RetainPlan& retain) {
  if (retain.term == RetainTerm::kNone) {
    return absl::OkStatus();
  }
  if (retain.texts.empty()) {
    return absl::InvalidArgumentError("retain.texts is empty, the retain term needs at least one");
  }
  return Positive("retain.weight", retain.weight);
}

}  // namespace

absl::Status ValidateTrainingPlan(const TrainingPlan& plan) {
  RWKU_RETURN_IF_ERROR(ValidateCorpus(plan));
  RWKU_RETURN_IF_ERROR(Positive("learning_rate", plan.learning_rate));
  RWKU_RETURN_IF_ERROR(Positive("max_gradient_norm", plan.max_gradient_norm));
  RWKU_RETURN_IF_ERROR(Positive("forget_weight", plan.forget_weight));
  RWKU_RETURN_IF_ERROR(ValidateObjective(plan));
  RWKU_RETURN_IF_ERROR(ValidateRetain(plan.retain));
  RWKU_RETURN_IF_ERROR(AtLeast("warmup_steps", plan.warmup_steps, 0));
  RWKU_RETURN_IF_ERROR(AtLeast("batch_size", plan.batch_size, 1));
  RWKU_RETURN_IF_ERROR(AtLeast("accumulation", plan.accumulation, 1));
  RWKU_RETURN_IF_ERROR(AtLeast("epochs", plan.epochs, 1));
  RWKU_RETURN_IF_ERROR(AtLeast("cutoff_tokens", plan.cutoff_tokens, 2));
  const int parts = plan.micro_batch_parts;
  if (parts < 1 || (parts & (parts - 1)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("micro_batch_parts is ", parts, ", must be a power of two"));
  }
  return plan.trained == TrainedWeights::kLora ? ValidateLoraPlan(plan.lora) : absl::OkStatus();
}

absl::Status ValidateForModel(const TrainingPlan& plan, CausalLm& model) {
  const auto count = static_cast<int>(model.config().num_hidden_layers);
  if (plan.layers.has_value() && (plan.layers->begin < 0 || plan.layers->end > count ||
                                  plan.layers->begin >= plan.layers->end)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "layers is ", plan.layers->begin, "-", plan.layers->end, ", the model has the layers 0-",
        count, "; the first number must be below the second"));
  }
  const bool reads_layer =
      plan.objective == Objective::kRmu || plan.retain.term == RetainTerm::kHidden;
  if (reads_layer && (plan.layer < 0 || plan.layer >= count)) {
    return absl::InvalidArgumentError(
        absl::StrCat("layer is ", plan.layer, ", the model has 0 to ", count - 1));
  }
  if (reads_layer && plan.layers.has_value() && plan.layers->begin > plan.layer) {
    return absl::InvalidArgumentError(
        absl::StrCat("layers is ", plan.layers->begin, "-", plan.layers->end,
                     ", none of them has a part in the output of layer ", plan.layer));
  }
  return plan.trained == TrainedWeights::kLora ? ValidateLoraTargets(plan.lora, model)
                                               : absl::OkStatus();
}

}  // namespace rwku::engine
