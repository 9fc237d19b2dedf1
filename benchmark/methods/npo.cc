#include "benchmark/methods/builtin_methods.h"
#include "benchmark/methods/settings.h"

namespace rwku::methods {

// The settings are published for Llama-3-8B-Instruct; other families start from the same.
MethodInfo NpoMethod(absl::string_view family) {
  MethodInfo method;
  method.name = "npo";
  method.summary = "Negative preference optimisation against the original model.";
  method.formula =
      "minimise L = -(2/beta) log sigmoid(beta (NLL(x) - NLL_ref(x))), NLL summed over the "
      "text's tokens; Zhang et al., 2024, arXiv 2404.05868, with the settings of RWKU, "
      "arXiv 2406.10890.";
  method.corpus = "positive";
  method.objective = Objective::kNpo;
  method.reads.beta = true;
  method.reads.retain = true;
  method.defaults = MakeRecipes(method.name, family, {2e-6, 16, 1, 3}, {5e-5, 8, 2, 3});
  method.batch_defaults = {MakeRecipe(method.name, family, Tuning::kFull, {1e-6, 8, 2, 2})};
  for (auto* const recipes : {&method.defaults, &method.batch_defaults}) {
    for (Recipe& recipe : *recipes) {
      recipe.beta = 0.2;
    }
  }
  return method;
}

}  // namespace rwku::methods
