// The worker's engine: one model in memory that can be trained, asked, and put back as it was.
// Names neither torch nor any other library, so that the worker's other rooms build without them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"

namespace rwku::engine {

struct ModelInfo {
  std::string family;  // "llama"
  int64_t parameters = 0;
  int64_t bytes = 0;             // resident weights
  std::string weights_checksum;  // of the weights as loaded; hexadecimal
};

// What the optimizer minimises, over the labelled tokens of a batch.
enum class Objective {
  kCausalLm,        // mean cross-entropy (Touvron-style fine-tuning; PT)
  kGradientAscent,  // minus that (GA)
  kNpo,  // -(2/beta) * mean over texts of log sigmoid(beta * (NLL - NLL_ref)), NLL summed over
         // tokens
};

// Weights that train.
enum class TrainedWeights { kFull, kLora };

struct LoraPlan {
  int rank = 8;
  double alpha = 16;
  std::vector<std::string> target_modules = {"q_proj", "v_proj"};
};

// One training: texts are tokenized as `text + eos` without special tokens in front and cut off at
// cutoff_tokens. Labels equal to the eos id are masked, as the reference's collator does (its
// padding is eos).
struct TrainingPlan {
  std::vector<std::string> texts;
  Objective objective = Objective::kCausalLm;
  TrainedWeights trained = TrainedWeights::kFull;
  LoraPlan lora;             // read only with TrainedWeights::kLora
  double learning_rate = 0;  // peak; linear warm-up, then cosine to 0 at the last step
  int warmup_steps = 20;
  int batch_size = 1;    // texts a batch
  int accumulation = 1;  // batches a step
  int epochs = 1;
  double beta = 0;               // kNpo
  double max_gradient_norm = 1;  // global L2 norm
  int cutoff_tokens = 512;
  uint64_t seed = 42;  // of the order of the texts: base/random.h, EpochOrder(seed, epoch, count)
  // Texts of a batch are split into this many parts that pass through the model one after another;
  // the gradient is that of the whole batch. A power of two.
  int micro_batch_parts = 1;
};

struct TrainingStep {
  int step = 0;  // from 1
  int total_steps = 0;
  double loss = 0;           // mean of the step's batch losses
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;
};

// Called after every optimizer step, from the training thread.
using StepCallback = std::function<void(const TrainingStep&)>;

struct TrainingReport {
  std::vector<TrainingStep> steps;
  int64_t tokens_per_epoch = 0;  // labelled or not
};

// Calls come from one thread at a time. Errors: INVALID_ARGUMENT names the file or field of a bad
// model or plan; RESOURCE_EXHAUSTED is memory; DATA_LOSS is a NaN or infinite loss or gradient,
// naming the step and the last good loss; CANCELLED-like statuses are the cancel token's reason.
// After an error in Train the weights are undefined until Restore().
class Engine {
 public:
  virtual ~Engine() = default;

  // Makes the model in `folder` (config.json, safetensors, tokenizer.json) the resident one.
  // Loading the resident model again is free and leaves its weights as they are: Restore() brings
  // back those of the folder.
  virtual absl::StatusOr<ModelInfo> Load(const std::filesystem::path& folder,
                                         const CancelToken& cancel) = 0;

  // Lets go of the resident model, if there is one: the next Load() reads the disk.
  virtual void Unload() = 0;

  // The resident model; valid until the next Load() or Unload(). Call only after a Load() that
  // succeeded.
  virtual evaluate::LanguageModel& model() = 0;

  // Trains the resident model.
  virtual absl::StatusOr<TrainingReport> Train(const TrainingPlan& plan,
                                               const StepCallback& on_step,
                                               const CancelToken& cancel) = 0;

  // Puts the weights as loaded back, in place, without the disk; adapters are removed. Returns the
  // checksum of the weights as they now are, computed anew; it must equal
  // ModelInfo::weights_checksum.
  virtual absl::StatusOr<std::string> Restore() = 0;
};

}  // namespace rwku::engine
