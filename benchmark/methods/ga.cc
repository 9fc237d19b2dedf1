#include "benchmark/methods/builtin_methods.h"

namespace rwku::methods {

MethodInfo GaMethod(absl::string_view /*family*/) {
  MethodInfo method;
  method.name = "ga";
  method.summary = "Gradient ascent on what the model itself says about the target.";
  method.formula =
      "minimise L = -mean over tokens of NLL(x_t | x_<t); Jang et al., 2022, arXiv 2210.01504, "
      "with the settings of RWKU, arXiv 2406.10890.";
  method.corpus = "positive";
  method.objective = Objective::kGradientAscent;
  // The settings are published for Llama-3-8B-Instruct; other families start from the same.
  Recipe full;
  full.method = method.name;
  full.tuning = Tuning::kFull;
  full.learning_rate = 6e-8;
  full.batch_size = 8;
  full.epochs = 3;
  Recipe lora = full;
  lora.tuning = Tuning::kLora;
  lora.learning_rate = 1e-5;
  method.defaults = {full, lora};
  return method;
}

}  // namespace rwku::methods
