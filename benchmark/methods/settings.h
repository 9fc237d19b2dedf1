// Recipes in one line each, for the files of the methods.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

#include "benchmark/methods/family.h"
#include "benchmark/methods/recipe.h"

namespace rwku::methods {

// What a row of a paper's table of hyper-parameters says.
struct Row {
  double learning_rate;
  int batch_size;
  int accumulation;
  int epochs;
};

// A recipe with those settings; adapters go to the family's default projections, and partial tuning
// trains the first four layers, the first group of the paper's sweep.
inline Recipe MakeRecipe(const std::string& method, absl::string_view family, Tuning tuning,
                         const Row& row) {
  Recipe recipe;
  recipe.method = method;
  recipe.tuning = tuning;
  recipe.learning_rate = row.learning_rate;
  recipe.batch_size = row.batch_size;
  recipe.accumulation = row.accumulation;
  recipe.epochs = row.epochs;
  if (tuning == Tuning::kLora) {
    recipe.lora.target_modules = DefaultLoraModules(family);
  }
  if (tuning == Tuning::kPartial) {
    recipe.layers = Layers{0, 4};
  }
  return recipe;
}

// full, lora and partial; partial takes the settings of full.
inline std::vector<Recipe> MakeRecipes(const std::string& method, absl::string_view family,
                                       const Row& full, const Row& lora) {
  return {MakeRecipe(method, family, Tuning::kFull, full),
          MakeRecipe(method, family, Tuning::kLora, lora),
          MakeRecipe(method, family, Tuning::kPartial, full)};
}

}  // namespace rwku::methods
