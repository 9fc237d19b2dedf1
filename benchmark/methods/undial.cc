#include "benchmark/methods/builtin_methods.h"
#include "benchmark/methods/settings.h"

namespace rwku::methods {

// The settings are those of open-unlearning: full tuning, batch 8 with 4 accumulated, rate 1e-4,
// 10 epochs, no retain term. The paper trains adapters of rank 8 and alpha 16 at the same rate.
// open-unlearning's warm-up of one epoch and weight decay of 0.01 are not taken over.
MethodInfo UndialMethod(absl::string_view family) {
  MethodInfo method;
  method.name = "undial";
  method.summary = "Self-distillation towards logits with the label taken down.";
  method.formula =
      "minimise L = gamma mean CE(softmax(z_ref - beta onehot(label)), z) + alpha retain; "
      "Dong et al., 2024, arXiv 2402.10052. The mean is over labelled tokens; open- "
      "unlearning's also counts ignored positions.";
  method.corpus = "positive";
  method.objective = Objective::kUndial;
  method.defaults = MakeRecipes(method.name, family, {1e-4, 8, 4, 10}, {1e-4, 8, 4, 10});
  method.reads.beta = true;
  method.reads.retain = true;
  for (Recipe& recipe : method.defaults) {
    recipe.beta = 10;
  }
  return method;
}

}  // namespace rwku::methods
