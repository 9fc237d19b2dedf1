// Whether a training can be done, before anything is.
#pragma once

#include "absl/status/status.h"

#include "worker/engine/engine.h"
#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

// OK, or INVALID_ARGUMENT with the field, what was found and what is allowed, for any model.
absl::Status ValidateTrainingPlan(const TrainingPlan& plan);

// The same for what depends on the model: layers and projections.
absl::Status ValidateForModel(const TrainingPlan& plan, CausalLm& model);

}  // namespace rwku::engine
