#include "benchmark/methods/builtin_methods.h"
#include "benchmark/methods/settings.h"

namespace rwku::methods {

// The settings are published for Llama-3-8B-Instruct; other families start from the same.
MethodInfo RtMethod(absl::string_view family) {
  MethodInfo method;
  method.name = "rt";
  method.summary = "Rejection tuning: learn to refuse questions about the target.";
  method.formula =
      "minimise L = mean NLL of the refusal after the question; Maini et al., 2024 (TOFU), "
      "arXiv 2401.06121, with the settings of RWKU, arXiv 2406.10890.";
  method.corpus = "reject";
  method.objective = Objective::kCausalLm;
  method.defaults = MakeRecipes(method.name, family, {4e-7, 8, 1, 3}, {3e-5, 8, 1, 3});
  method.batch_defaults = {MakeRecipe(method.name, family, Tuning::kFull, {1e-7, 8, 1, 1})};
  return method;
}

}  // namespace rwku::methods
