// From what a user asks for to a recipe with every setting filled in and checked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "benchmark/methods/recipe.h"

namespace rwku::methods {

struct LoraRequest {
  std::optional<int> rank;
  std::optional<double> alpha;
  std::vector<std::string> target_modules;  // empty = the default
};

struct RetainRequest {
  std::optional<RetainTerm> term;
  std::optional<double> weight;
  std::optional<RetainSource> source;
};

// Unset fields take the published default of the method for the model's family and the tuning.
// Names and ranges are those of proto/rwku/v1/recipe.proto.
struct RecipeRequest {
  std::string method;
  std::optional<Tuning> tuning;  // unset = the method's own
  std::optional<LoraRequest> lora;
  std::optional<double> learning_rate;
  std::optional<int> batch_size;
  std::optional<int> accumulation;
  std::optional<int> epochs;
  std::optional<int> warmup_steps;
  std::optional<double> beta;
  std::optional<double> beta2;
  std::optional<double> margin;
  std::optional<double> strength;
  std::optional<int> layer;
  std::optional<double> forget_weight;
  std::optional<RetainRequest> retain;
  std::string layers;  // "0-4"; empty = the default
  std::optional<double> max_gradient_norm;
  std::optional<int> cutoff_tokens;
  std::optional<int> max_texts;
  std::string label;  // empty = made from method and tuning: "ga", "ga-lora"
};

// What a recipe is for.
struct RecipeContext {
  std::string family;  // of the model
  int layers = 0;      // of the model; 0 = unknown, ranges are not held to it
  bool batch = false;  // several targets at once: their own published settings, where there are any
};

// One thing wrong with one field of a request.
struct FieldError {
  std::string field;        // path, e.g. "learning_rate", "lora.rank"
  std::string description;  // e.g. "found -1, allowed: above 0 and at most 1"
};

// The recipe, or INVALID_ARGUMENT with every problem as "field: description", joined by "; ". A
// setting that the method does not read is an error, not ignored. With `errors` (may be null), the
// same problems one by one; it is cleared first.
absl::StatusOr<Recipe> ResolveRecipe(const RecipeRequest& request, const RecipeContext& context,
                                     std::vector<FieldError>* errors = nullptr);

}  // namespace rwku::methods
