#include "benchmark/methods/builtin_methods.h"

namespace rwku::methods {

MethodInfo NpoMethod(absl::string_view /*family*/) {
  MethodInfo method;
  method.name = "npo";
  method.summary = "Negative preference optimisation against the original model.";
  method.formula =
      "minimise L = -(2/beta) log sigmoid(beta (NLL(x) - NLL_ref(x))), NLL summed over the text's "
      "tokens; Zhang et al., 2024, arXiv 2404.05868, with the settings of RWKU, arXiv 2406.10890.";
  method.corpus = "positive";
  method.objective = Objective::kNpo;
  method.uses_beta = true;
  // The settings are published for Llama-3-8B-Instruct; other families start from the same.
  Recipe full;
  full.method = method.name;
  full.tuning = Tuning::kFull;
  full.learning_rate = 2e-6;
  full.batch_size = 16;
  full.epochs = 3;
  full.beta = 0.2;
  Recipe lora = full;
  lora.tuning = Tuning::kLora;
  lora.learning_rate = 5e-5;
  lora.batch_size = 8;
  lora.accumulation = 2;
  method.defaults = {full, lora};
  return method;
}

}  // namespace rwku::methods
