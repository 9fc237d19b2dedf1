// One attempt of a job as plain values: what to do, how far it is, what came out. Names neither the
// wire nor torch.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "base/cancel.h"
#include "benchmark/corpus/text.h"
#include "benchmark/dataset/corpora.h"
#include "benchmark/dataset/probe_set.h"
#include "benchmark/evaluate/language_model.h"
#include "benchmark/evaluate/prediction.h"
#include "benchmark/methods/recipe.h"
#include "worker/engine/engine.h"

namespace rwku::job {

// Beyond this a batch of 4096 texts has long been split into single texts.
inline constexpr int kMaxMicroBatchHalvings = 12;

// What the model writes about one target.
struct CorpusSettings {
  std::string target;  // name
  int target_number = 0;
  std::string custom_intro;  // of a target that the dataset does not have; empty = it has it
  std::vector<dataset::CorpusKind> kinds;
  int max_openers = 0;  // 0 = all
  int questions = 300;
  double temperature = 1;
  double top_p = 0.9;
  int max_new_tokens = 512;
};

enum class TargetMode {
  kSingle,      // one target
  kBatch,       // several at once: one training on all their corpora
  kSequential,  // several one after another, without putting the weights back
};

struct AttemptTarget {
  std::string name;
  int number = 0;  // in the dataset, from 1; 0 = not checked
};

// The place of this worker in the gang that shares the attempt.
struct GangPlace {
  int world_size = 1;  // 1 = no gang
  int rank = 0;
  std::string rendezvous;  // host:port of rank 0
  std::string name;        // of the gang: its job and fencing token
  // This worker's own settings; as in engine::GangPlan.
  absl::Duration timeout = absl::Seconds(60);
  absl::Duration join_timeout = absl::Minutes(30);
  std::string network_interface = {};
};

struct AttemptSpec {
  std::string model;                   // folder below the model root
  std::string dataset;                 // folder below the dataset root
  std::vector<AttemptTarget> targets;  // at least one, of a single job exactly one; in this order
  TargetMode mode = TargetMode::kSingle;
  methods::Recipe recipe;
  uint64_t seed = 42;
  // A target of several is asked those of them that it has.
  std::vector<dataset::ProbeSet> probe_sets;
  bool evaluate_epochs = false;  // after every epoch, too
  std::string export_folder;     // below the export root, for the tuned weights; empty = none
  bool single_bos = false;
  bool stop_at_newline = false;
  // Set: write corpora with `seed` and `single_bos`; what says how to forget and what to ask is not
  // read.
  std::optional<CorpusSettings> corpus;
  GangPlace gang;
  bool shard_optimizer_state = false;  // read only in a gang
  bool optimizer_on_host = false;
  int micro_batch_halvings =
      0;  // 0 to kMaxMicroBatchHalvings: every batch is split into 2^this many parts
};

// Every attempt passes through all of them in this order; one that is evaluated on the way goes
// back from kEvaluate to kUnlearn.
enum class Stage { kLoad, kCorpus, kUnlearn, kEvaluate, kCommit };

// "load", "corpus", "unlearn", "evaluate", "commit".
absl::string_view StageName(Stage stage);

struct Progress {
  Stage stage = Stage::kLoad;
  int64_t done = 0;  // of `total` steps or probes of the stage
  int64_t total = 0;
  std::optional<double> loss;  // of the newest training step
};

struct Timings {
  absl::Duration load;  // with the restore of the original weights
  absl::Duration corpus;
  absl::Duration unlearn;  // with the export, without the evaluations on the way
  absl::Duration evaluate;
};

struct AttemptResult {
  // Empty for methods that do not train. Of a sequence, the trainings one after another, with steps
  // counted on.
  std::vector<engine::TrainingStep> training_curve;
  Timings timings;
  std::string original_weights_checksum;
  std::string restored_weights_checksum;  // equals the original one
  int model_loads = 0;                    // times that the model was read from disk
  std::string compute_dtype;              // as in engine::ModelInfo
  std::string device;
  // Of one epoch; of a sequence, of one epoch of each training.
  int corpus_texts = 0;
  int64_t corpus_tokens = 0;
  int reference_texts_computed = 0;  // as in engine::TrainingReport, over all trainings
  int reference_texts_cached = 0;
  std::optional<engine::MemoryPlan> memory;  // of the training that needed most
  int64_t trained_parameters = 0;
  std::string collapse;        // why the training stopped early; empty = it did not
  int epochs_trained = 0;      // where it did
  std::string export_folder;   // that the tuned weights are in, as in the spec; empty = none
  evaluate::Usage usage;       // of all evaluations
  int metrics_version = 0;     // of the scores
  std::string word_tokenizer;  // that fluency was measured with
};

// Called from the thread that runs the attempt.
struct AttemptCallbacks {
  std::function<void(const Progress&)> on_progress;
  // After every optimizer step, as the engine tells it: of a sequence, each training counts anew.
  std::function<void(const engine::TrainingStep&)> on_step;
  // Tokens that an evaluation took, or the writing of a corpus, once it has ended.
  std::function<void(const evaluate::Usage&)> on_usage;
  // Takes the next predictions, in order. May block; an error ends the attempt with it.
  std::function<absl::Status(std::vector<evaluate::Prediction>)> on_predictions;
  // The same for the texts of corpora.
  std::function<absl::Status(std::vector<corpus::Text>)> on_texts;
};

// Runs one attempt to its end. Returns the token's reason once `cancel` fires.
using AttemptRunner = std::function<absl::StatusOr<AttemptResult>(
    const AttemptSpec& spec, const AttemptCallbacks& callbacks, const CancelToken& cancel)>;

// Why an attempt failed; decides whether and how the coordinator tries again.
enum class FailureClass { kInfrastructure, kResource, kNumeric, kInput, kInternal };

// RESOURCE_EXHAUSTED is resource, DATA_LOSS numeric, INVALID_ARGUMENT and UNIMPLEMENTED input,
// UNAVAILABLE infrastructure, every other error internal. Internal is also what this worker lacks
// (NOT_FOUND) or has in another version (FAILED_PRECONDITION): the server's catalog has it, so
// another worker may.
FailureClass Classify(const absl::Status& error);

}  // namespace rwku::job
