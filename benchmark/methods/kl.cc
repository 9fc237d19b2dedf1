#include "benchmark/methods/builtin_methods.h"
#include "benchmark/methods/settings.h"

namespace rwku::methods {

// The settings are those of open-unlearning: full tuning, batch 8 with 4 accumulated, rate 1e-5,
// 10 epochs. None are published for adapters: they start at ten times the rate. Its warm-up of one
// epoch and weight decay of 0.01 are not taken over.
MethodInfo KlMethod(absl::string_view family) {
  MethodInfo method;
  method.name = "kl";
  method.summary = "Gradient ascent that keeps the distribution on other texts (KL term).";
  method.formula =
      "minimise L = -gamma mean NLL(forget) + alpha KL(p_ref || p) over all positions of "
      "the retain texts; KL minimisation of TOFU, Maini et al., 2024, arXiv 2401.06121.";
  method.corpus = "positive";
  method.objective = Objective::kGradientAscent;
  method.defaults = MakeRecipes(method.name, family, {1e-5, 8, 4, 10}, {1e-4, 8, 4, 10});
  method.reads.retain = true;
  for (Recipe& recipe : method.defaults) {
    recipe.retain.term = RetainTerm::kKl;
  }
  return method;
}

}  // namespace rwku::methods
