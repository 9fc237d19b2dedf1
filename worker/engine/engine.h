// The worker's engine: one model in memory that can be trained, asked, and put back as it was.
// Names neither torch nor any other library, so that the worker's other rooms build without them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"

namespace rwku::engine {

struct ModelInfo {
  std::string family;  // model_type of config.json: "llama", "mistral", "phi3", "qwen2"
  int64_t parameters = 0;
  int64_t layers = 0;
  int64_t bytes = 0;             // resident weights
  std::string weights_checksum;  // of the weights as loaded; hexadecimal
  std::string compute_dtype;     // that products are computed in: "float32", "bfloat16"
  std::string device;            // that they are computed on: "cpu" or "cuda"
  bool was_resident = false;     // this Load() read nothing from disk
};

// What the optimizer minimises over a batch, forget_weight x the loss below, plus the retain term.
// NLL is -log p of a labelled token, p its probability; sums are over a text's labelled tokens,
// means over all labelled tokens of a batch unless they say otherwise; sg = no gradient.
enum class Objective {
  kCausalLm,        // mean NLL (PT; RT on chats)
  kGradientAscent,  // -mean NLL (GA)
  kNpo,             // -(2/beta) mean over texts of log sigmoid(beta (sum NLL - sum NLL_ref))
  kDpo,             // -mean over pairs of log sigmoid(beta ((NLL_ref - NLL)(chosen) - (NLL_ref -
                    // NLL)(rejected)))
  kSimNpo,          // -(2/beta) mean over texts of log sigmoid(beta (sum NLL / tokens - margin))
  kWga,             // -mean sg(p)^beta NLL
  kSatImp,          // -mean sg(p)^beta sg(1 - p)^beta2 NLL
  kCeu,  // mean cross-entropy against sg(softmax of the own logits with the label's at -infinity);
         // the first labelled token of a text does not count
  kUndial,  // mean cross-entropy against softmax(z_ref - beta onehot(label)), z_ref the original's
  kRmu,  // mean over texts of the mean over labelled positions of |h - strength u|^2 / hidden size,
         // h the output of decoder layer `layer` at the label's own position; u one uniform random
         // direction, drawn with the seed
};

// Weights that train.
enum class TrainedWeights { kFull, kLora };

struct LoraPlan {
  int rank = 8;
  double alpha = 16;
  // Names as the family has them: q_proj ..., or qkv_proj and gate_up_proj for phi3.
  std::vector<std::string> target_modules = {"q_proj", "v_proj"};
};

// Decoder layers [begin, end).
struct LayerRange {
  int begin = 0;
  int end = 0;

  friend bool operator==(const LayerRange&, const LayerRange&) = default;
};

// One user turn and the answer that is learned from.
struct ChatExample {
  std::string prompt;
  std::string response;
};

struct PreferencePair {
  std::string prompt;
  std::string chosen;
  std::string rejected;
};

enum class RetainTerm {
  kNone,
  kNll,  // mean NLL of the retain texts
  kKl,   // KL(p_ref || p) summed over the vocabulary, mean over all positions but each text's last
  kHidden,  // as kRmu, against the original model's hidden state in place of strength u, over all
            // labelled positions
};

// What is added to the loss of every batch: weight x term, on one retain text a forget item. Batch
// k of the whole training takes the next ones of a stream that visits the texts in EpochOrder(seed
// of "retain", round, count), round by round.
struct RetainPlan {
  RetainTerm term = RetainTerm::kNone;
  double weight = 1;
  std::vector<std::string> texts;  // tokenized as TrainingPlan::texts
};

// Where one rank meets the others of its gang.
struct GangPlan {
  int world_size = 2;
  int rank = 0;            // from 0; rank 0 listens
  std::string rendezvous;  // host:port of rank 0
  // Names this gang: ranks with another name do not meet. One an attempt.
  std::string name;
  // A gradient exchange that takes longer ends the gang: some rank is dead or stuck.
  absl::Duration timeout = absl::Seconds(60);
  // How long ranks may wait for one another to join.
  absl::Duration join_timeout = absl::Minutes(30);
  // Network interface of the exchange; empty = the one that reaches `rendezvous`.
  std::string network_interface;
};

// One rank's end of a gang: processes that share one job. Made by Engine::JoinGang(), which it must
// not outlive. Errors are UNAVAILABLE where a rank or the network is to blame; after one, every
// further call fails. Calls come from one thread at a time, but for Abort() and failure().
class Gang {
 public:
  virtual ~Gang() = default;

  virtual int rank() const = 0;
  virtual int world_size() const = 0;

  // What every rank gave, by rank. Every rank calls it in the same order; ranks may come to it at
  // very different times, so it waits for as long as `cancel` lets it.
  virtual absl::StatusOr<std::vector<std::string>> AllGather(std::string bytes,
                                                             const CancelToken& cancel) = 0;

  // Ends the gang because of `why`, unless it has ended: calls that wait, and those to come, fail
  // with UNAVAILABLE, here and on the other ranks. Returns when they can know of it, or after a
  // second. Any thread.
  virtual void Abort(const absl::Status& why) = 0;

  // What ended the gang: the first reason that a rank gave, with its code (CANCELLED as
  // UNAVAILABLE), whichever rank is asked. OK while the gang goes on. Any thread.
  virtual absl::Status failure() const = 0;
};

// One training. Exactly one of texts, chats and pairs is not empty; kDpo takes pairs, every other
// objective texts or chats.
//
// Texts are tokenized as `text + eos` without special tokens in front and cut off at cutoff_tokens.
// Labels equal to the eos id are masked, as the reference's collator does (its padding is eos).
// Chats and pairs are the model's chat template of the user turn with the generation prompt, then
// the response and the end-of-turn token, tokenized apart; labels are the response's tokens, its
// end among them. Where both are longer than cutoff_tokens together, each is cut to its share: the
// response to max(1, floor(cutoff r / (p + r))), the prompt to the rest.
struct TrainingPlan {
  std::vector<std::string> texts;
  std::vector<ChatExample> chats;
  std::vector<PreferencePair> pairs;
  Objective objective = Objective::kCausalLm;
  double forget_weight = 1;
  RetainPlan retain;
  TrainedWeights trained = TrainedWeights::kFull;
  LoraPlan lora;  // read only with TrainedWeights::kLora
  // kFull: only the weights of these layers train, embeddings, head and last norm are frozen.
  // kLora: only these layers get adapters.
  std::optional<LayerRange> layers;
  double learning_rate = 0;  // peak; linear warm-up, then cosine to 0 at the last step
  int warmup_steps = 20;
  int batch_size = 1;    // texts, chats or pairs a batch
  int accumulation = 1;  // batches a step
  int epochs = 1;
  double beta = 0;               // kNpo, kDpo, kSimNpo, kWga, kSatImp, kUndial
  double beta2 = 0;              // kSatImp
  double margin = 0;             // kSimNpo
  double strength = 0;           // kRmu
  int layer = 0;                 // kRmu
  double max_gradient_norm = 1;  // global L2 norm
  int cutoff_tokens = 512;
  uint64_t seed = 42;  // of the order of the texts: base/random.h, EpochOrder(seed, epoch, count)
  // The gang that shares this training, of this engine; null = this engine alone. Every rank trains
  // the same plan. Item i of a step is rank i % world_size's, gradients are summed over ranks, and
  // losses, norms, clipping and the report are those of the whole batch: the curve is that of one
  // rank.
  Gang* gang = nullptr;
  // Each rank keeps gradients, masters and moments of its own weights only (ZeRO stage 2:
  // Rajbhandari et al., 2020). Read only with a gang.
  bool shard_optimizer_state = false;
  // Float32 masters and moments lie in the host's memory (pinned for a GPU) and are updated there:
  // the device holds weights and gradients alone, and each step moves both over the bus.
  bool optimizer_on_host = false;
  // Texts of a batch are split into this many parts that pass through the model one after another;
  // the gradient is that of the whole batch. A power of two. The memory plan may split further.
  int micro_batch_parts = 1;
};

struct TrainingStep {
  int step = 0;  // from 1
  int total_steps = 0;
  double loss = 0;           // mean of the step's batch losses
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;
  int64_t tokens = 0;  // of the step's forget items, labelled or not
};

// What a training needs, in bytes, at its micro-batch.
struct MemoryPlan {
  int64_t weight_bytes = 0;
  int64_t gradient_bytes = 0;
  int64_t optimizer_bytes = 0;
  int64_t activation_bytes = 0;  // of the largest micro-batch
  int64_t logit_bytes = 0;
  int64_t workspace_bytes = 0;  // of libraries, and of a gradient before it is added
  int64_t available_bytes = 0;  // on the device when the plan was made; 0 = unknown
  int micro_batch_texts = 0;    // that pass through the model at once
  int64_t micro_batch_tokens = 0;
};

enum class EpochVerdict { kContinue, kStop };

// From the training thread. Both may be null.
struct TrainingCallbacks {
  // After every optimizer step.
  std::function<void(const TrainingStep&)> on_step;
  // After every epoch, counted from 1; the engine's model() may be asked meanwhile. kStop ends the
  // training as if this had been the last epoch; an error ends it with that error.
  std::function<absl::StatusOr<EpochVerdict>(int epoch)> on_epoch;
};

struct TrainingReport {
  std::vector<TrainingStep> steps;
  int64_t tokens_per_epoch = 0;  // labelled or not; of the forget items
  int epochs = 0;                // trained
  int64_t trained_parameters = 0;
  // Sequences (of a pair: two) whose summed NLL under the original weights went through the model
  // for this training, and those that were known. kNpo and kDpo.
  int reference_texts_computed = 0;
  int reference_texts_cached = 0;
  MemoryPlan memory;
};

// RepE: a control vector, strength x (h(novice) - h(expert)), is added to the output of each layer
// at every position; h is that layer's output at the last token of the prompt, a user turn through
// the chat template with the generation prompt.
struct SteeringPlan {
  std::string novice;
  std::string expert;
  double strength = 1;
  std::optional<LayerRange> layers;  // unset: the 14th to the 28th of 32 layers, in proportion
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

  // Trains the resident model from the weights as they are. Adapters that an earlier training left
  // are merged first, so that trainings can follow one another. The reference of kNpo, kDpo,
  // kUndial and the retain terms is the model as it was loaded.
  virtual absl::StatusOr<TrainingReport> Train(const TrainingPlan& plan,
                                               const TrainingCallbacks& callbacks,
                                               const CancelToken& cancel) = 0;

  // Steers the resident model until Restore(). INVALID_ARGUMENT names the field.
  virtual absl::Status Steer(const SteeringPlan& plan, const CancelToken& cancel) = 0;

  // Writes what the trainings since the last Restore() made of the resident model into `folder`,
  // which is made and must not exist: adapters in the layout of peft where the newest training made
  // them from the weights as loaded, else whole weights in the layout of the hub, tokenizer files
  // beside them. Nothing is left behind after an error.
  virtual absl::Status Export(const std::filesystem::path& folder, const CancelToken& cancel) = 0;

  // Meets the other ranks; returns once all are there. UNIMPLEMENTED where this build has no
  // transport for the engine's device.
  virtual absl::StatusOr<std::unique_ptr<Gang>> JoinGang(const GangPlan& plan,
                                                         const CancelToken& cancel) = 0;

  // Puts the weights as loaded back, in place, without the disk; adapters and steering are removed.
  // Returns the checksum of the weights as they now are, anew for those that changed; it must equal
  // ModelInfo::weights_checksum.
  virtual absl::StatusOr<std::string> Restore() = 0;
};

}  // namespace rwku::engine
