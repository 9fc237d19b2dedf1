// How many weights a model has and which of them a training trains, from the model's shape alone.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

#include "worker/engine/engine.h"
#include "worker/engine/model/model_config.h"

namespace rwku::engine {

// Numbers, not bytes.
struct TrainingSize {
  int64_t parameters = 0;  // of the model
  int64_t trained = 0;     // adapters, where those train
  int64_t adapters = 0;    // not among `parameters`
};

// What `plan` would make of a model of this shape, as AttachLora and TrainableWeights do. Reads
// trained, layers, lora, objective, layer and retain.term alone.
TrainingSize SizeOf(const TrainingPlan& plan, const ModelConfig& config);

// The decoder layers whose output some loss of `plan` depends on: all, or those up to kRmu's own.
int64_t LayersBelowLoss(const TrainingPlan& plan, const ModelConfig& config);

// Whether the adapters of `plan` sit on the projection with this name of the hub ("q_proj").
bool HasAdapter(const TrainingPlan& plan, absl::string_view projection);

// Numbers of the largest weight: the embedding, or a projection of the feed-forward part.
int64_t LargestWeight(const ModelConfig& config);

}  // namespace rwku::engine
