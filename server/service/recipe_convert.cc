#include "server/service/recipe_convert.h"

#include "absl/strings/str_cat.h"

namespace rwku::service {

absl::StatusOr<methods::RecipeRequest> FromProto(const v1::Recipe& recipe) {
  methods::RecipeRequest request;
  request.method = recipe.method();
  switch (recipe.tuning()) {
    case v1::TUNING_KIND_UNSPECIFIED:
      break;
    case v1::TUNING_KIND_NONE:
      request.tuning = methods::Tuning::kNone;
      break;
    case v1::TUNING_KIND_FULL:
      request.tuning = methods::Tuning::kFull;
      break;
    case v1::TUNING_KIND_LORA:
      request.tuning = methods::Tuning::kLora;
      break;
    case v1::TUNING_KIND_PARTIAL:
      request.tuning = methods::Tuning::kPartial;
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "found ", recipe.tuning(), ", expected one of TUNING_KIND_NONE, _FULL, _LORA, _PARTIAL"));
  }
  if (recipe.has_lora()) {
    methods::LoraRequest& lora = request.lora.emplace();
    if (recipe.lora().has_rank()) {
      lora.rank = recipe.lora().rank();
    }
    if (recipe.lora().has_alpha()) {
      lora.alpha = recipe.lora().alpha();
    }
    lora.target_modules = {recipe.lora().target_modules().begin(),
                           recipe.lora().target_modules().end()};
  }
  if (recipe.has_learning_rate()) {
    request.learning_rate = recipe.learning_rate();
  }
  if (recipe.has_batch_size()) {
    request.batch_size = recipe.batch_size();
  }
  if (recipe.has_accumulation()) {
    request.accumulation = recipe.accumulation();
  }
  if (recipe.has_epochs()) {
    request.epochs = recipe.epochs();
  }
  if (recipe.has_warmup_steps()) {
    request.warmup_steps = recipe.warmup_steps();
  }
  if (recipe.has_beta()) {
    request.beta = recipe.beta();
  }
  if (recipe.has_max_gradient_norm()) {
    request.max_gradient_norm = recipe.max_gradient_norm();
  }
  if (recipe.has_cutoff_tokens()) {
    request.cutoff_tokens = recipe.cutoff_tokens();
  }
  if (recipe.has_max_texts()) {
    request.max_texts = recipe.max_texts();
  }
  request.label = recipe.label();
  return request;
}

v1::Recipe ToProto(const methods::Recipe& recipe) {
  v1::Recipe proto;
  proto.set_method(recipe.method);
  switch (recipe.tuning) {
    case methods::Tuning::kNone:
      proto.set_tuning(v1::TUNING_KIND_NONE);
      break;
    case methods::Tuning::kFull:
      proto.set_tuning(v1::TUNING_KIND_FULL);
      break;
    case methods::Tuning::kLora:
      proto.set_tuning(v1::TUNING_KIND_LORA);
      proto.mutable_lora()->set_rank(recipe.lora.rank);
      proto.mutable_lora()->set_alpha(recipe.lora.alpha);
      for (const std::string& module : recipe.lora.target_modules) {
        proto.mutable_lora()->add_target_modules(module);
      }
      break;
    case methods::Tuning::kPartial:
      proto.set_tuning(v1::TUNING_KIND_PARTIAL);
      break;
  }
  proto.set_learning_rate(recipe.learning_rate);
  proto.set_batch_size(recipe.batch_size);
  proto.set_accumulation(recipe.accumulation);
  proto.set_epochs(recipe.epochs);
  proto.set_warmup_steps(recipe.warmup_steps);
  proto.set_beta(recipe.beta);
  proto.set_max_gradient_norm(recipe.max_gradient_norm);
  proto.set_cutoff_tokens(recipe.cutoff_tokens);
  proto.set_max_texts(recipe.max_texts);
  proto.set_label(recipe.label);
  return proto;
}

}  // namespace rwku::service
