// How much memory a training takes, and how many texts of it pass through the model at once.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

#include "worker/engine/engine.h"
#include "worker/engine/model/model_config.h"

namespace rwku::engine {

// What a training's memory depends on beside its plan.
struct TrainingFacts {
  ModelConfig config;
  bool on_gpu = false;
  // Of a number that the model computes with: 4 is float32, 2 is bfloat16.
  int compute_bytes = 4;
  int ranks = 1;
  // float32 weights and moments lie in the host's pinned memory. Read with compute_bytes 2 alone:
  // in float32 there is no second set of weights.
  bool optimizer_on_host = false;
  // The present weights are not the original's, so that a reference needs a head of its own.
  bool original_is_elsewhere = false;
  // Tokens of each forget item (of a pair: of both its texts) and of each retain text, in any
  // order. At least one item; retain texts where the plan has a retain term.
  std::vector<int64_t> item_tokens;
  std::vector<int64_t> retain_tokens;
  // What the device can still give beside the resident weights; 0 = unknown.
  int64_t available_bytes = 0;
  // All that the device has; 0 = unknown.
  int64_t device_bytes = 0;
  // The same of the host, for optimizer_on_host on a GPU.
  int64_t host_available_bytes = 0;
  int64_t host_bytes = 0;
};

struct ChosenMemoryPlan {
  MemoryPlan plan;
  int parts = 1;  // of a batch
};

// The fewest parts of a batch, a power of two from plan.micro_batch_parts, with which what is
// needed beside the resident weights fits into available_bytes for the largest micro-batch that
// the items could make in any order. Unknown memory counts as enough.
//
// A parameter takes, in bytes:
//                                        float32   bfloat16
//   the weights that the model computes with   4          2
//   a gradient, where it trains                4          2
//   float32 weight and two moments             8         12   (in float32 the weight is the first
//                                                              row's)
// Adapters are float32 in either. With plan.shard_optimizer_state the last two rows are divided by
// the number of ranks (Rajbhandari et al., 2020), the first is not. To this come activations by
// token and layer, the logits of a chunk, and a workspace: the dense gradient of the largest weight
// before it is added to what is there, and on a GPU those of libraries and what the allocator
// cannot use.
//
// Where not even single items fit: INVALID_ARGUMENT if they would not with the device to
// themselves, so that no repetition helps, RESOURCE_EXHAUSTED if something else holds the memory.
// Both tell the figures. The same where the host has no room for its part.
absl::StatusOr<ChosenMemoryPlan> PlanTrainingMemory(const TrainingPlan& plan,
                                                    const TrainingFacts& facts);

// What is resident during a training whatever its micro-batch: weights, adapters and copies of the
// original's head.
int64_t ResidentTrainingBytes(const TrainingPlan& plan, const TrainingFacts& facts);

// What an otherwise empty device of `device_bytes` has left beside those, for
// TrainingFacts::available_bytes; at least 1, which fits nothing.
int64_t AvailableForTraining(const TrainingPlan& plan, const TrainingFacts& facts,
                             int64_t device_bytes);

// What autograd keeps of one token that passes through the model.
int64_t TokenActivationBytes(const TrainingPlan& plan, const TrainingFacts& facts);

// What the plan takes of the device, weights included.
int64_t TotalBytes(const MemoryPlan& plan);

}  // namespace rwku::engine
