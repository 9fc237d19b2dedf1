#include "benchmark/methods/builtin_methods.h"

namespace rwku::methods {

MethodInfo RepEMethod(absl::string_view /*family*/) {
  MethodInfo method;
  method.name = "repe";
  method.summary = "Representation engineering: a control vector towards not knowing, no training.";
  method.formula =
      "h_l + strength (h_l(novice) - h_l(expert)) at every position of the steered layers "
      "l, h_l(.) at the last token of a prompt that tells the model not to know, or to "
      "know, the target; Zou et al., 2023, arXiv 2310.01405, as prompted by RWKU, arXiv "
      "2406.10890 (strengths 0.5, 1.0, 1.5).";
  method.steers = true;
  method.reads.strength = true;
  Recipe recipe;
  recipe.method = method.name;
  recipe.strength = 1.0;
  method.defaults = {recipe};
  return method;
}

}  // namespace rwku::methods
