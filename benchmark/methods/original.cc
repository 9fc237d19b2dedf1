#include "benchmark/methods/builtin_methods.h"

namespace rwku::methods {

MethodInfo OriginalMethod(absl::string_view /*family*/) {
  MethodInfo method;
  method.name = "original";
  method.summary = "The model as it is, before any unlearning.";
  method.formula = "None.";
  Recipe recipe;
  recipe.method = method.name;
  method.defaults = {recipe};
  return method;
}

}  // namespace rwku::methods
