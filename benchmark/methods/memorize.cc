#include "benchmark/methods/builtin_methods.h"
#include "benchmark/methods/settings.h"

namespace rwku::methods {

// The settings of full tuning are published for Llama-3-8B-Instruct. None are for adapters: they
// start at ten times the rate.
MethodInfo MemorizeMethod(absl::string_view family) {
  MethodInfo method;
  method.name = "memorize";
  method.summary = "Further pre-training on the passages: the opposite of forgetting (PT).";
  method.formula =
      "minimise L = mean over tokens of NLL(x_t | x_<t) over the passages; PT of RWKU, "
      "arXiv 2406.10890.";
  method.corpus = "passage";
  method.objective = Objective::kCausalLm;
  method.defaults = MakeRecipes(method.name, family, {5e-6, 8, 1, 5}, {5e-5, 8, 1, 5});
  for (Recipe& recipe : method.defaults) {
    recipe.warmup_steps = 5;
  }
  return method;
}

}  // namespace rwku::methods
