#include "benchmark/methods/builtin_methods.h"
#include "benchmark/methods/settings.h"

namespace rwku::methods {

// The settings are those of open-unlearning: full tuning, batch 8 with 4 accumulated, rate 1e-5,
// 10 epochs. None are published for adapters: they start at ten times the rate. Its warm-up of one
// epoch and weight decay of 0.01 are not taken over.
MethodInfo RmuMethod(absl::string_view family) {
  MethodInfo method;
  method.name = "rmu";
  method.summary = "Steers the hidden states of the target's texts to a random direction.";
  method.formula =
      "minimise L = gamma mean |h_l(forget) - strength u|^2 / d + alpha mean |h_l(retain) - "
      "h_l,ref(retain)|^2 / d, u one random direction; Li et al., 2024 (WMDP), arXiv "
      "2403.03218.";
  method.corpus = "positive";
  method.objective = Objective::kRmu;
  method.defaults = MakeRecipes(method.name, family, {1e-5, 8, 4, 10}, {1e-4, 8, 4, 10});
  method.reads.strength = true;
  method.reads.layer = true;
  method.reads.retain = true;
  for (Recipe& recipe : method.defaults) {
    recipe.strength = 2;
    recipe.retain.term = RetainTerm::kHidden;
  }
  return method;
}

}  // namespace rwku::methods
