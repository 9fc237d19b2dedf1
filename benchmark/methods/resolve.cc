#include "benchmark/methods/resolve.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "base/near_match.h"
#include "benchmark/methods/family.h"
#include "benchmark/methods/layers.h"
#include "benchmark/methods/method_info.h"
#include "benchmark/methods/registry.h"

namespace rwku::methods {
namespace {

constexpr size_t kMaxLabelBytes = 64;
constexpr size_t kMaxModuleNameBytes = 64;

// Whole numbers [low, high].
struct Whole {
  int low;
  int high;
  bool Allows(int value) const { return value >= low && value <= high; }
  std::string Text() const { return absl::StrCat(low, " to ", high); }
};

// Finite numbers (0, high]; no `high` = any.
struct Positive {
  std::optional<double> high;
  bool Allows(double value) const {
    return std::isfinite(value) && value > 0 && (!high.has_value() || value <= *high);
  }
  std::string Text() const {
    return high.has_value() ? absl::StrCat("above 0 and at most ", *high) : "above 0";
  }
};

// Finite numbers [low, high].
struct Real {
  double low;
  double high;
  bool Allows(double value) const { return value >= low && value <= high; }
  std::string Text() const { return absl::StrCat(low, " to ", high); }
};

// Takes over what is set and collects what is wrong.
class Resolver {
 public:
  explicit Resolver(absl::string_view subject) : subject_(subject) {}

  void Fail(absl::string_view field, std::string description) {
    errors_.push_back({std::string(field), std::move(description)});
  }

  // `used`: whether the method reads the setting at all.
  template <typename T, typename Range>
  void Take(absl::string_view field, const std::optional<T>& wanted, const Range& range, bool used,
            T* value) {
    if (!wanted.has_value()) {
      return;
    }
    if (!used) {
      Unused(field);
    } else if (!range.Allows(*wanted)) {
      Fail(field, absl::StrCat("found ", *wanted, ", allowed: ", range.Text()));
    } else {
      *value = *wanted;
    }
  }

  void Unused(absl::string_view field) { Fail(field, absl::StrCat("is not used by ", subject_)); }

  std::vector<FieldError> TakeErrors() { return std::move(errors_); }

 private:
  std::string subject_;  // "ga with tuning full"
  std::vector<FieldError> errors_;
};

void ResolveLora(const std::optional<LoraRequest>& request, bool used, absl::string_view family,
                 Resolver* resolver, LoraSettings* lora) {
  if (!request.has_value()) {
    return;
  }
  if (!used) {
    resolver->Unused("lora");
    return;
  }
  resolver->Take("lora.rank", request->rank, Whole{1, 1024}, true, &lora->rank);
  resolver->Take("lora.alpha", request->alpha, Positive{}, true, &lora->alpha);
  if (request->target_modules.empty()) {
    return;
  }
  const std::vector<std::string>& known = Projections(family);
  std::set<std::string> seen;
  for (const std::string& module : request->target_modules) {
    if (std::find(known.begin(), known.end(), module) == known.end()) {
      resolver->Fail(
          "lora.target_modules",
          UnknownNameMessage("projection", module.substr(0, kMaxModuleNameBytes), known));
      return;
    }
    if (!seen.insert(module).second) {
      resolver->Fail("lora.target_modules",
                     absl::StrCat("found \"", module, "\" twice, allowed: each once"));
      return;
    }
  }
  lora->target_modules = request->target_modules;
}

void ResolveRetain(const RecipeRequest& request, const MethodInfo& method, Resolver* resolver,
                   Recipe* recipe) {
  if (request.retain.has_value() && !method.reads.retain) {
    resolver->Unused("retain");
  } else if (request.retain.has_value()) {
    const RetainRequest& retain = *request.retain;
    recipe->retain.term = retain.term.value_or(recipe->retain.term);
    const bool hidden = recipe->retain.term == RetainTerm::kHidden;
    if (hidden && method.objective != Objective::kRmu) {
      resolver->Fail("retain.term", absl::StrCat("found hidden, which only rmu has, allowed for ",
                                                 method.name, ": none, nll, kl"));
    }
    const bool has_term = recipe->retain.term != RetainTerm::kNone;
    if (!has_term && (retain.weight.has_value() || retain.source.has_value())) {
      resolver->Fail(retain.weight.has_value() ? "retain.weight" : "retain.source",
                     "is not used without a retain term, allowed for retain.term: nll, kl");
    }
    resolver->Take("retain.weight", retain.weight, Positive{}, true, &recipe->retain.weight);
    recipe->retain.source = retain.source.value_or(recipe->retain.source);
  }
  resolver->Take("forget_weight", request.forget_weight, Positive{}, method.reads.retain,
                 &recipe->forget_weight);
}

// Ranges of layers, and the one layer of rmu.
void ResolveLayers(const RecipeRequest& request, const MethodInfo& method, int model_layers,
                   Resolver* resolver, Recipe* recipe) {
  const auto outside = [model_layers](absl::string_view found) {
    return absl::StrCat("found ", found, ", but the model has ", model_layers,
                        " layers, counted from 0");
  };
  if (request.layers.empty()) {
    if (recipe->layers.has_value() && model_layers > 0) {
      recipe->layers->end = std::min(recipe->layers->end, model_layers);
    }
  } else if (recipe->tuning == Tuning::kFull ||
             (recipe->tuning == Tuning::kNone && !method.steers)) {
    resolver->Unused("layers");
  } else if (const auto layers = ParseLayers(request.layers); !layers.ok()) {
    resolver->Fail("layers", std::string(layers.status().message()));
  } else if (model_layers > 0 && layers->end > model_layers) {
    resolver->Fail("layers", outside(LayersText(*layers)));
  } else {
    recipe->layers = *layers;
  }
  int layer = 0;
  if (request.layer.has_value()) {
    resolver->Take("layer", request.layer, Whole{0, 100000}, method.reads.layer, &layer);
    if (model_layers > 0 && *request.layer >= model_layers) {
      resolver->Fail("layer", outside(absl::StrCat(*request.layer)));
    } else if (method.reads.layer) {
      recipe->layer = layer;
    }
  }
}

void ResolveLabel(const std::string& label, Resolver* resolver, Recipe* recipe) {
  if (label.empty()) {
    recipe->label = recipe->method;
    if (recipe->tuning == Tuning::kLora || recipe->tuning == Tuning::kPartial) {
      absl::StrAppend(&recipe->label, "-", TuningName(recipe->tuning));
    }
    return;
  }
  const bool control = std::any_of(label.begin(), label.end(),
                                   [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  if (control || label.size() > kMaxLabelBytes) {
    resolver->Fail(
        "label",
        absl::StrCat("found ", label.size(), control ? " bytes with control characters" : " bytes",
                     ", allowed: at most ", kMaxLabelBytes, " bytes without control characters"));
    return;
  }
  recipe->label = label;
}

absl::StatusOr<Recipe> Finish(absl::StatusOr<Recipe> recipe, std::vector<FieldError> found,
                              std::vector<FieldError>* errors) {
  if (!found.empty()) {
    recipe = absl::InvalidArgumentError(
        absl::StrJoin(found, "; ", [](std::string* out, const FieldError& error) {
          absl::StrAppend(out, error.field, ": ", error.description);
        }));
  }
  if (errors != nullptr) {
    *errors = std::move(found);
  }
  return recipe;
}

}  // namespace

absl::StatusOr<Recipe> ResolveRecipe(const RecipeRequest& request, const RecipeContext& context,
                                     std::vector<FieldError>* errors) {
  const absl::StatusOr<MethodInfo> method = FindMethod(request.method, context.family);
  if (!method.ok()) {
    return Finish(Recipe{}, {{"method", std::string(method.status().message())}}, errors);
  }
  const Recipe* defaults =
      FindDefault(*method, request.tuning.value_or(method->defaults.front().tuning), context.batch);
  if (defaults == nullptr) {
    const std::string allowed =
        absl::StrJoin(method->defaults, ", ", [](std::string* out, const Recipe& recipe) {
          const absl::string_view name = TuningName(recipe.tuning);
          out->append(name.data(), name.size());
        });
    return Finish(Recipe{},
                  {{"tuning", absl::StrCat("found ", TuningName(*request.tuning), ", allowed for ",
                                           method->name, ": ", allowed)}},
                  errors);
  }

  Recipe recipe = *defaults;
  const bool trains = recipe.tuning != Tuning::kNone;
  Resolver resolver(trains ? absl::StrCat(method->name, " with tuning ", TuningName(recipe.tuning))
                           : method->name);
  ResolveLora(request.lora, recipe.tuning == Tuning::kLora, context.family, &resolver,
              &recipe.lora);
  resolver.Take("learning_rate", request.learning_rate, Positive{1.0}, trains,
                &recipe.learning_rate);
  resolver.Take("batch_size", request.batch_size, Whole{1, 4096}, trains, &recipe.batch_size);
  resolver.Take("accumulation", request.accumulation, Whole{1, 4096}, trains, &recipe.accumulation);
  resolver.Take("epochs", request.epochs, Whole{1, 1000}, trains, &recipe.epochs);
  resolver.Take("warmup_steps", request.warmup_steps, Whole{0, 100000}, trains,
                &recipe.warmup_steps);
  const ReadSettings& reads = method->reads;
  resolver.Take("beta", request.beta, Positive{100.0}, reads.beta, &recipe.beta);
  resolver.Take("beta2", request.beta2, Real{0, 100}, reads.beta2, &recipe.beta2);
  resolver.Take("margin", request.margin, Real{-100, 100}, reads.margin, &recipe.margin);
  resolver.Take("strength", request.strength, Positive{}, reads.strength, &recipe.strength);
  ResolveRetain(request, *method, &resolver, &recipe);
  ResolveLayers(request, *method, context.layers, &resolver, &recipe);
  resolver.Take("max_gradient_norm", request.max_gradient_norm, Positive{}, trains,
                &recipe.max_gradient_norm);
  resolver.Take("cutoff_tokens", request.cutoff_tokens, Whole{2, 131072}, trains,
                &recipe.cutoff_tokens);
  resolver.Take("max_texts", request.max_texts, Whole{0, 1000000}, trains, &recipe.max_texts);
  ResolveLabel(request.label, &resolver, &recipe);
  return Finish(std::move(recipe), resolver.TakeErrors(), errors);
}

}  // namespace rwku::methods
