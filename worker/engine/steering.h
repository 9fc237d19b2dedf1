// Control vectors (RepE: Zou et al., Representation Engineering, 2023): what a model is steered by.
#pragma once

#include "absl/status/statusor.h"

#include "text/tokenizer.h"
#include "worker/engine/decode/runner.h"
#include "worker/engine/engine.h"
#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

// Layers that are steered where the plan names none: the 14th to the 28th of 32 layers, in
// proportion, rounded.
LayerRange DefaultSteeringLayers(int64_t layer_count);

// strength x (h(novice) - h(expert)) of every layer of the plan, h as `model` computes it as it is,
// adapters included. INVALID_ARGUMENT names the field and what is allowed; DATA_LOSS where a
// state is not finite; RESOURCE_EXHAUSTED is memory.
absl::StatusOr<LayerVectors> SteeringVectors(CausalLm& model, const text::Tokenizer& tokenizer,
                                             const SteeringPlan& plan, const CancelToken& cancel);

}  // namespace rwku::engine
