#include "benchmark/methods/builtin_methods.h"
#include "benchmark/methods/settings.h"

namespace rwku::methods {

// The settings are published for Llama-3-8B-Instruct; other families start from the same.
MethodInfo GaMethod(absl::string_view family) {
  MethodInfo method;
  method.name = "ga";
  method.summary = "Gradient ascent on what the model itself says about the target.";
  method.formula =
      "minimise L = -mean over tokens of NLL(x_t | x_<t); Jang et al., 2022, arXiv "
      "2210.01504, with the settings of RWKU, arXiv 2406.10890.";
  method.corpus = "positive";
  method.objective = Objective::kGradientAscent;
  method.defaults = MakeRecipes(method.name, family, {6e-8, 8, 1, 3}, {1e-5, 8, 1, 3});
  method.batch_defaults = {MakeRecipe(method.name, family, Tuning::kFull, {3e-8, 8, 1, 2})};
  return method;
}

}  // namespace rwku::methods
