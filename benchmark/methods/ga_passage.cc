#include "benchmark/methods/builtin_methods.h"
#include "benchmark/methods/settings.h"

namespace rwku::methods {

// The settings are published for Llama-3-8B-Instruct; other families start from the same. Those of
// the adapters stand in the scripts of its repository.
MethodInfo GaPassageMethod(absl::string_view family) {
  MethodInfo method;
  method.name = "ga-passage";
  method.summary = "Gradient ascent on the Wikipedia passages about the target (GA*).";
  method.formula =
      "minimise L = -mean over tokens of NLL(x_t | x_<t) over the passages; GA* of RWKU, "
      "arXiv 2406.10890.";
  method.corpus = "passage";
  method.objective = Objective::kGradientAscent;
  method.defaults = MakeRecipes(method.name, family, {1e-6, 4, 1, 4}, {2e-5, 4, 1, 6});
  return method;
}

}  // namespace rwku::methods
