#include "benchmark/methods/builtin_methods.h"

namespace rwku::methods {

MethodInfo IcuMethod(absl::string_view /*family*/) {
  MethodInfo method;
  method.name = "icu";
  method.summary = "In-context unlearning: an instruction before every prompt, no training.";
  method.formula =
      "p(y | instruction to act without knowledge of the target, x); Pawelczyk et al., "
      "2023, arXiv 2310.07579, as worded by RWKU, arXiv 2406.10890.";
  method.uses_icu_prefix = true;
  Recipe recipe;
  recipe.method = method.name;
  method.defaults = {recipe};
  return method;
}

}  // namespace rwku::methods
