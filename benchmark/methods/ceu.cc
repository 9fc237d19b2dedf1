#include "benchmark/methods/builtin_methods.h"
#include "benchmark/methods/settings.h"

namespace rwku::methods {

// The settings are those of open-unlearning: full tuning, batch 8 with 4 accumulated, rate 1e-5,
// 10 epochs. None are published for adapters: they start at ten times the rate. Its warm-up of one
// epoch and weight decay of 0.01 are not taken over.
MethodInfo CeuMethod(absl::string_view family) {
  MethodInfo method;
  method.name = "ceu";
  method.summary = "Cross-entropy to the model's own distribution without the label.";
  method.formula =
      "minimise L = mean CE(sg(softmax of z with the label's logit at -infinity), z), the "
      "first labelled token of a text left out; Yang, 2025, arXiv 2503.01224.";
  method.corpus = "positive";
  method.objective = Objective::kCeu;
  method.defaults = MakeRecipes(method.name, family, {1e-5, 8, 4, 10}, {1e-4, 8, 4, 10});
  method.reads.retain = true;
  return method;
}

}  // namespace rwku::methods
