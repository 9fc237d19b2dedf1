#include "benchmark/methods/builtin_methods.h"
#include "benchmark/methods/settings.h"

namespace rwku::methods {

// The settings are those of open-unlearning: full tuning, batch 8 with 4 accumulated, rate 1e-5, 5
// epochs. None are published for adapters: they start at ten times the rate. Its warm-up of one
// epoch and weight decay of 0.01 are not taken over.
MethodInfo WgaMethod(absl::string_view family) {
  MethodInfo method;
  method.name = "wga";
  method.summary = "Gradient ascent weighted by the probability of each token.";
  method.formula =
      "minimise L = -gamma mean sg(p_t)^beta NLL_t + alpha mean NLL(retain), sg = no "
      "gradient; Wang et al., 2025, arXiv 2502.19301.";
  method.corpus = "positive";
  method.objective = Objective::kWga;
  method.defaults = MakeRecipes(method.name, family, {1e-5, 8, 4, 5}, {1e-4, 8, 4, 5});
  method.reads.beta = true;
  method.reads.retain = true;
  for (Recipe& recipe : method.defaults) {
    recipe.beta = 1;
    recipe.retain.term = RetainTerm::kNll;
  }
  return method;
}

}  // namespace rwku::methods
