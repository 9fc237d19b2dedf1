#include "benchmark/methods/builtin_methods.h"
#include "benchmark/methods/settings.h"

namespace rwku::methods {

// The settings are those of open-unlearning: full tuning, batch 8 with 4 accumulated, rate 1e-5,
// 10 epochs. None are published for adapters: they start at ten times the rate. Its warm-up of one
// epoch and weight decay of 0.01 are not taken over.
MethodInfo SimNpoMethod(absl::string_view family) {
  MethodInfo method;
  method.name = "simnpo";
  method.summary = "Preference optimisation by the length-normalised loss, without a reference.";
  method.formula =
      "minimise L = -gamma (2/beta) log sigmoid(beta (NLL(x)/|x| - margin)) + alpha mean "
      "NLL(retain); Fan et al., 2024, arXiv 2410.07163.";
  method.corpus = "positive";
  method.objective = Objective::kSimNpo;
  method.defaults = MakeRecipes(method.name, family, {1e-5, 8, 4, 10}, {1e-4, 8, 4, 10});
  method.reads.beta = true;
  method.reads.margin = true;
  method.reads.retain = true;
  for (Recipe& recipe : method.defaults) {
    recipe.beta = 4.5;
    recipe.margin = 0;
    recipe.forget_weight = 0.125;
    recipe.retain.term = RetainTerm::kNll;
  }
  return method;
}

}  // namespace rwku::methods
