// A method with every setting filled in.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace rwku::methods {

enum class Tuning { kNone, kFull, kLora, kPartial };

// Decoder layers [begin, end), written "begin-end" as in "0-4".
struct Layers {
  int begin = 0;
  int end = 0;

  friend bool operator==(const Layers&, const Layers&) = default;
};

// Terms, sources and formulas as in proto/rwku/v1/recipe.proto.
enum class RetainTerm { kNone, kNll, kKl, kHidden };
enum class RetainSource { kTargets, kNeighbors };

struct RetainSettings {
  RetainTerm term = RetainTerm::kNone;
  double weight = 1;
  RetainSource source = RetainSource::kTargets;
};

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
  double beta = 0;           // where the method has one
  double beta2 = 0;          // satimp
  double margin = 0;         // simnpo
  double strength = 0;       // rmu, repe
  std::optional<int> layer;  // rmu; nullopt = a third of the way through the model
  double forget_weight = 1;
  RetainSettings retain;
  // kPartial: set. kLora: layers that get adapters, nullopt = all. repe: nullopt = the engine's.
  std::optional<Layers> layers;
  double max_gradient_norm = 1.0;
  int cutoff_tokens = 512;
  int max_texts = 0;  // 0 = the whole corpus
  std::string label;  // tells recipes apart in tables, e.g. "ga-lora"
};

}  // namespace rwku::methods
