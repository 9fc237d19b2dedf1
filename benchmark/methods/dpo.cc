#include "benchmark/methods/builtin_methods.h"
#include "benchmark/methods/settings.h"

namespace rwku::methods {

// The settings are published for Llama-3-8B-Instruct; other families start from the same.
MethodInfo DpoMethod(absl::string_view family) {
  MethodInfo method;
  method.name = "dpo";
  method.summary = "Direct preference of made-up biographies over what the model says.";
  method.formula =
      "minimise L = -log sigmoid(beta ((log p - log p_ref)(chosen) - (log p - log "
      "p_ref)(rejected))), log p summed over the tokens of the answer, chosen = "
      "counterfactual, rejected = factual; Rafailov et al., 2023, arXiv 2305.18290, with "
      "the settings of RWKU, arXiv 2406.10890.";
  method.corpus = "pair";
  method.objective = Objective::kDpo;
  method.reads.beta = true;
  method.defaults = MakeRecipes(method.name, family, {5e-6, 2, 4, 3}, {6e-5, 4, 2, 3});
  method.batch_defaults = {MakeRecipe(method.name, family, Tuning::kFull, {2e-6, 2, 4, 2})};
  for (auto* const recipes : {&method.defaults, &method.batch_defaults}) {
    for (Recipe& recipe : *recipes) {
      recipe.beta = 0.1;
    }
  }
  return method;
}

}  // namespace rwku::methods
