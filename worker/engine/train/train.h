// One training of a model in place.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"

#include "base/cancel.h"
#include "text/tokenizer.h"
#include "worker/engine/engine.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/original.h"
#include "worker/engine/train/weight_history.h"

namespace rwku::engine {

// What a training held in fact, on this rank.
struct HeldMemory {
  int64_t optimizer_bytes = 0;  // masters and moments
  int64_t gradient_bytes = 0;   // the most at a time
};

struct TrainingContext {
  OriginalModel original;
  // What earlier trainings did to the weights, and where this one writes down what it does; null:
  // none did, and nobody asks.
  WeightHistory* history = nullptr;
  // Memory of the device beyond the weights; unset: as it is when the training begins.
  std::optional<int64_t> available_bytes = std::nullopt;
  HeldMemory* held = nullptr;  // null: nobody asks
  // With it: all that the device has; 0 = unknown.
  int64_t device_bytes = 0;
};

// Trains `model` on the plan's items, visited in EpochOrder, and leaves it trained; adapters stay
// attached, those of an earlier training are merged first. An epoch's last batch may be smaller,
// and so may its last group of batches: as in transformers' Trainer it makes a step of its own,
// divided by the batches it has. A text without a labelled token counts as a text with NLL 0.
//
// Where memory runs out in a step, its gradients are dropped and it is repeated with the batch in
// twice as many parts, down to single items; report.memory tells the parts that were planned.
//
// In a gang an error of one rank ends the training of all: the others return UNAVAILABLE. Memory
// that runs out once the exchange of a step's gradients has begun is such an error.
//
// INVALID_ARGUMENT names the plan's field and what is allowed, or gives the figures of a training
// that the device could not hold even with nothing else on it; DATA_LOSS names the step whose loss
// or gradient norm is not finite (its update is not made) and the last good loss;
// RESOURCE_EXHAUSTED is memory; INTERNAL names a weight that should have moved and did not, or the
// reverse (movement.h); UNAVAILABLE is a rank of plan.gang or the network, and names them;
// otherwise what on_epoch returned, or the reason of `cancel`, looked at between passes. After an
// error the weights are undefined.
absl::StatusOr<TrainingReport> TrainModel(CausalLm& model, const text::Tokenizer& tokenizer,
                                          const TrainingPlan& plan,
                                          const TrainingCallbacks& callbacks,
                                          const CancelToken& cancel,
                                          const TrainingContext& context = {});

// Optimizer steps of a training on `item_count` texts, chats or pairs.
int64_t TotalSteps(const TrainingPlan& plan, int64_t item_count);

}  // namespace rwku::engine
