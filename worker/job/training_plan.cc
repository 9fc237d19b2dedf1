#include "worker/job/training_plan.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "base/status_macros.h"
#include "worker/job/attempt.h"

namespace rwku::job {
namespace {

absl::StatusOr<engine::Objective> ToObjective(const methods::MethodInfo& method) {
  switch (method.objective) {
    case methods::Objective::kNone:
      return absl::InvalidArgumentError(
          absl::StrCat("recipe.method: \"", method.name, "\" does not train"));
    case methods::Objective::kCausalLm:
      return engine::Objective::kCausalLm;
    case methods::Objective::kGradientAscent:
      return engine::Objective::kGradientAscent;
    case methods::Objective::kNpo:
      return engine::Objective::kNpo;
    case methods::Objective::kDpo:
      return engine::Objective::kDpo;
    case methods::Objective::kSimNpo:
      return engine::Objective::kSimNpo;
    case methods::Objective::kRmu:
      return engine::Objective::kRmu;
    case methods::Objective::kUndial:
      return engine::Objective::kUndial;
    case methods::Objective::kWga:
      return engine::Objective::kWga;
    case methods::Objective::kSatImp:
      return engine::Objective::kSatImp;
    case methods::Objective::kCeu:
      return engine::Objective::kCeu;
  }
  CheckFailed(__FILE__, __LINE__, "a value of Objective");
}

engine::RetainTerm ToRetainTerm(methods::RetainTerm term) {
  switch (term) {
    case methods::RetainTerm::kNone:
      return engine::RetainTerm::kNone;
    case methods::RetainTerm::kNll:
      return engine::RetainTerm::kNll;
    case methods::RetainTerm::kKl:
      return engine::RetainTerm::kKl;
    case methods::RetainTerm::kHidden:
      return engine::RetainTerm::kHidden;
  }
  CheckFailed(__FILE__, __LINE__, "a value of RetainTerm");
}

absl::Status SetTrainedWeights(const methods::MethodInfo& method, const methods::Recipe& recipe,
                               engine::TrainingPlan& plan) {
  switch (recipe.tuning) {
    case methods::Tuning::kNone:
      return absl::InvalidArgumentError(absl::StrCat("recipe.tuning: none; method \"", method.name,
                                                     "\" needs full, lora or partial"));
    case methods::Tuning::kFull:
      plan.trained = engine::TrainedWeights::kFull;
      break;
    case methods::Tuning::kLora:
      plan.trained = engine::TrainedWeights::kLora;
      break;
    case methods::Tuning::kPartial:
      plan.trained = engine::TrainedWeights::kFull;
      if (!recipe.layers.has_value()) {
        return absl::InvalidArgumentError("recipe.layers: not set; tuning partial needs them");
      }
      break;
  }
  if (recipe.layers.has_value()) {
    plan.layers = engine::LayerRange{recipe.layers->begin, recipe.layers->end};
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<engine::TrainingPlan> MakeTrainingPlan(const methods::MethodInfo& method,
                                                      const methods::Recipe& recipe,
                                                      const TrainingSettings& settings,
                                                      TrainingData data) {
  engine::TrainingPlan plan;
  RWKU_ASSIGN_OR_RETURN(plan.objective, ToObjective(method));
  RWKU_RETURN_IF_ERROR(SetTrainedWeights(method, recipe, plan));
  if (settings.micro_batch_halvings < 0 || settings.micro_batch_halvings > kMaxMicroBatchHalvings) {
    return absl::InvalidArgumentError(
        absl::StrCat("micro_batch_halvings: ", settings.micro_batch_halvings, "; 0 to ",
                     kMaxMicroBatchHalvings, " are allowed"));
  }
  plan.texts = std::move(data.texts);
  plan.chats = std::move(data.chats);
  plan.pairs = std::move(data.pairs);
  plan.forget_weight = recipe.forget_weight;
  plan.retain = {.term = ToRetainTerm(recipe.retain.term),
                 .weight = recipe.retain.weight,
                 .texts = std::move(data.retain_texts)};
  plan.lora = {.rank = recipe.lora.rank,
               .alpha = recipe.lora.alpha,
               .target_modules = recipe.lora.target_modules};
  plan.learning_rate = recipe.learning_rate;
  plan.warmup_steps = recipe.warmup_steps;
  plan.batch_size = recipe.batch_size;
  plan.accumulation = recipe.accumulation;
  plan.epochs = recipe.epochs;
  plan.beta = recipe.beta;
  plan.beta2 = recipe.beta2;
  plan.margin = recipe.margin;
  plan.strength = recipe.strength;
  plan.layer = recipe.layer.value_or(static_cast<int>(settings.model_layers / 3));
  plan.max_gradient_norm = recipe.max_gradient_norm;
  plan.cutoff_tokens = recipe.cutoff_tokens;
  plan.seed = settings.seed;
  plan.micro_batch_parts = 1 << settings.micro_batch_halvings;
  return plan;
}

}  // namespace rwku::job
