#include "benchmark/methods/builtin_methods.h"
#include "benchmark/methods/settings.h"

namespace rwku::methods {

// The settings are those of open-unlearning: full tuning, batch 8 with 4 accumulated, rate 1e-5,
// 10 epochs. None are published for adapters: they start at ten times the rate. Its warm-up of one
// epoch and weight decay of 0.01 are not taken over.
MethodInfo SatImpMethod(absl::string_view family) {
  MethodInfo method;
  method.name = "satimp";
  method.summary = "Gradient ascent weighted by saturation and importance of each token.";
  method.formula =
      "minimise L = -gamma mean sg(p_t)^beta sg(1 - p_t)^beta2 NLL_t + alpha mean "
      "NLL(retain), sg = no gradient; Yang et al., 2025, arXiv 2505.11953.";
  method.corpus = "positive";
  method.objective = Objective::kSatImp;
  method.defaults = MakeRecipes(method.name, family, {1e-5, 8, 4, 10}, {1e-4, 8, 4, 10});
  method.reads.beta = true;
  method.reads.beta2 = true;
  method.reads.retain = true;
  for (Recipe& recipe : method.defaults) {
    recipe.beta = 5;
    recipe.beta2 = 1;
    recipe.forget_weight = 0.1;
    recipe.retain.term = RetainTerm::kNll;
  }
  return method;
}

}  // namespace rwku::methods
