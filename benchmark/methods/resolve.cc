#include "benchmark/methods/resolve.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "benchmark/methods/method_info.h"
#include "benchmark/methods/registry.h"

namespace rwku::methods {
namespace {

constexpr size_t kMaxLabelBytes = 64;
constexpr size_t kMaxModuleNameBytes = 64;
constexpr size_t kMaxModules = 32;

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

bool IsPlainName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxModuleNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '.';
         });
}

void ResolveLora(const std::optional<LoraRequest>& request, bool used, Resolver* resolver,
                 LoraSettings* lora) {
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
  std::set<std::string> seen;
  for (const std::string& module : request->target_modules) {
    if (!IsPlainName(module) || !seen.insert(module).second) {
      resolver->Fail("lora.target_modules",
                     absl::StrCat("found \"", module.substr(0, kMaxModuleNameBytes),
                                  "\", allowed: names of projections such as q_proj, each once"));
      return;
    }
  }
  if (request->target_modules.size() > kMaxModules) {
    resolver->Fail("lora.target_modules", absl::StrCat("found ", request->target_modules.size(),
                                                       " names, allowed: at most ", kMaxModules));
    return;
  }
  lora->target_modules = request->target_modules;
}

void ResolveLabel(const std::string& label, Resolver* resolver, Recipe* recipe) {
  if (label.empty()) {
    recipe->label = absl::StrCat(recipe->method, recipe->tuning == Tuning::kLora ? "-lora" : "");
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

absl::StatusOr<Recipe> ResolveRecipe(const RecipeRequest& request, absl::string_view family,
                                     std::vector<FieldError>* errors) {
  const absl::StatusOr<MethodInfo> method = FindMethod(request.method, family);
  if (!method.ok()) {
    return Finish(Recipe{}, {{"method", std::string(method.status().message())}}, errors);
  }
  const Recipe* defaults = request.tuning.has_value() ? FindDefault(*method, *request.tuning)
                                                      : &method->defaults.front();
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
  ResolveLora(request.lora, recipe.tuning == Tuning::kLora, &resolver, &recipe.lora);
  resolver.Take("learning_rate", request.learning_rate, Positive{1.0}, trains,
                &recipe.learning_rate);
  resolver.Take("batch_size", request.batch_size, Whole{1, 4096}, trains, &recipe.batch_size);
  resolver.Take("accumulation", request.accumulation, Whole{1, 4096}, trains, &recipe.accumulation);
  resolver.Take("epochs", request.epochs, Whole{1, 1000}, trains, &recipe.epochs);
  resolver.Take("warmup_steps", request.warmup_steps, Whole{0, 100000}, trains,
                &recipe.warmup_steps);
  resolver.Take("beta", request.beta, Positive{100.0}, method->uses_beta, &recipe.beta);
  resolver.Take("max_gradient_norm", request.max_gradient_norm, Positive{}, trains,
                &recipe.max_gradient_norm);
  resolver.Take("cutoff_tokens", request.cutoff_tokens, Whole{2, 131072}, trains,
                &recipe.cutoff_tokens);
  resolver.Take("max_texts", request.max_texts, Whole{0, 1000000}, trains, &recipe.max_texts);
  ResolveLabel(request.label, &resolver, &recipe);
  return Finish(std::move(recipe), resolver.TakeErrors(), errors);
}

}  // namespace rwku::methods
