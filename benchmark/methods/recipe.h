// A method with every setting filled in.
#pragma once

#include <string>
#include <vector>

namespace rwku::methods {

enum class Tuning { kNone, kFull, kLora };

struct LoraSettings {
  int rank = 8;
  double alpha = 16;
  std::vector<std::string> target_modules = {"q_proj", "v_proj"};
};

// Defaults are those that all methods share; the registry fills in the rest.
struct Recipe {
  std::string method;
  Tuning tuning = Tuning::kNone;
  LoraSettings lora;         // read only with Tuning::kLora
  double learning_rate = 0;  // peak
  int batch_size = 1;        // texts a batch; the loss is a mean over the batch
  int accumulation = 1;      // batches whose gradients are averaged before a step
  int epochs = 1;
  int warmup_steps = 20;
  double beta = 0;  // npo
  double max_gradient_norm = 1.0;
  int cutoff_tokens = 512;
  int max_texts = 0;  // 0 = the whole corpus
  std::string label;  // tells recipes apart in tables, e.g. "ga-lora"
};

}  // namespace rwku::methods
