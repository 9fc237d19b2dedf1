// From a recipe to the engine's plan.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"

#include "benchmark/methods/method_info.h"
#include "benchmark/methods/recipe.h"
#include "worker/engine/engine.h"
#include "worker/job/training_data.h"

namespace rwku::job {

// What a job says about its training beside the recipe.
struct TrainingSettings {
  uint64_t seed = 42;
  int micro_batch_halvings = 0;  // 0 to kMaxMicroBatchHalvings
  int64_t model_layers = 0;      // where rmu's layer is left open: a third of the way through
};

// What `recipe` of `method` trains on `data`. INVALID_ARGUMENT, naming the field, for a method that
// does not train or a tuning that trains nothing.
absl::StatusOr<engine::TrainingPlan> MakeTrainingPlan(const methods::MethodInfo& method,
                                                      const methods::Recipe& recipe,
                                                      const TrainingSettings& settings,
                                                      TrainingData data);

}  // namespace rwku::job
