#include "server/service/recipe_convert.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "base/status_macros.h"
#include "benchmark/methods/layers.h"
#include "net/status.h"

namespace rwku::service {
namespace {

absl::Status UnknownValue(absl::string_view field, int found,
                          const google::protobuf::EnumDescriptor& type) {
  std::vector<std::string> allowed;
  allowed.reserve(static_cast<size_t>(type.value_count()));
  for (int i = 1; i < type.value_count(); ++i) {
    allowed.push_back(type.value(i)->name());
  }
  return net::InvalidFields({{std::string(field), absl::StrCat("found ", found, ", allowed: ",
                                                               absl::StrJoin(allowed, ", "))}});
}

absl::StatusOr<methods::RetainRequest> RetainFromProto(const v1::Retain& retain) {
  methods::RetainRequest request;
  switch (retain.term()) {
    case v1::RETAIN_TERM_KIND_UNSPECIFIED:
      break;
    case v1::RETAIN_TERM_KIND_NONE:
      request.term = methods::RetainTerm::kNone;
      break;
    case v1::RETAIN_TERM_KIND_NLL:
      request.term = methods::RetainTerm::kNll;
      break;
    case v1::RETAIN_TERM_KIND_KL:
      request.term = methods::RetainTerm::kKl;
      break;
    case v1::RETAIN_TERM_KIND_HIDDEN:
      request.term = methods::RetainTerm::kHidden;
      break;
    default:
      return UnknownValue("retain.term", retain.term(), *v1::RetainTermKind_descriptor());
  }
  switch (retain.source()) {
    case v1::RETAIN_SOURCE_UNSPECIFIED:
      break;
    case v1::RETAIN_SOURCE_TARGETS:
      request.source = methods::RetainSource::kTargets;
      break;
    case v1::RETAIN_SOURCE_NEIGHBORS:
      request.source = methods::RetainSource::kNeighbors;
      break;
    default:
      return UnknownValue("retain.source", retain.source(), *v1::RetainSource_descriptor());
  }
  if (retain.has_weight()) {
    request.weight = retain.weight();
  }
  return request;
}

v1::Retain RetainToProto(const methods::RetainSettings& retain) {
  v1::Retain proto;
  switch (retain.term) {
    case methods::RetainTerm::kNone:
      proto.set_term(v1::RETAIN_TERM_KIND_NONE);
      return proto;
    case methods::RetainTerm::kNll:
      proto.set_term(v1::RETAIN_TERM_KIND_NLL);
      break;
    case methods::RetainTerm::kKl:
      proto.set_term(v1::RETAIN_TERM_KIND_KL);
      break;
    case methods::RetainTerm::kHidden:
      proto.set_term(v1::RETAIN_TERM_KIND_HIDDEN);
      break;
  }
  proto.set_weight(retain.weight);
  proto.set_source(retain.source == methods::RetainSource::kNeighbors ? v1::RETAIN_SOURCE_NEIGHBORS
                                                                      : v1::RETAIN_SOURCE_TARGETS);
  return proto;
}

}  // namespace

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
      return UnknownValue("tuning", recipe.tuning(), *v1::TuningKind_descriptor());
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
  if (recipe.has_beta2()) {
    request.beta2 = recipe.beta2();
  }
  if (recipe.has_margin()) {
    request.margin = recipe.margin();
  }
  if (recipe.has_strength()) {
    request.strength = recipe.strength();
  }
  if (recipe.has_layer()) {
    request.layer = recipe.layer();
  }
  if (recipe.has_forget_weight()) {
    request.forget_weight = recipe.forget_weight();
  }
  if (recipe.has_retain()) {
    RWKU_ASSIGN_OR_RETURN(request.retain, RetainFromProto(recipe.retain()));
  }
  request.layers = recipe.layers();
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
  proto.set_beta2(recipe.beta2);
  proto.set_margin(recipe.margin);
  proto.set_strength(recipe.strength);
  proto.set_forget_weight(recipe.forget_weight);
  *proto.mutable_retain() = RetainToProto(recipe.retain);
  if (recipe.layer.has_value()) {
    proto.set_layer(*recipe.layer);
  }
  if (recipe.layers.has_value()) {
    proto.set_layers(methods::LayersText(*recipe.layers));
  }
  proto.set_label(recipe.label);
  return proto;
}

}  // namespace rwku::service
