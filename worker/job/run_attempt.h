// One attempt, as stages: load -> corpus -> unlearn -> evaluate -> commit. Every one can be
// cancelled between its steps, and every target starts from the original weights.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "worker/engine/engine.h"
#include "worker/job/attempt.h"

namespace rwku::job {

// Below these folders every model and dataset name must resolve.
struct Roots {
  std::filesystem::path models;
  std::filesystem::path datasets;
  // Made when it is needed; empty = no weights can be kept here.
  std::filesystem::path exports = {};
};

// Loads the model (free if it is resident), puts the original weights back and proves it by their
// checksum, trains what the recipe says, keeps the weights where the spec names a folder, evaluates
// the probe sets and hands the predictions to `callbacks` in order. Blocks until the end; `engine`
// is used by nobody else meanwhile.
//
// In a gang every rank runs the same attempt on its share of the items and requests, and gets the
// same result; it meets the others once the model is loaded. Predictions and exports are rank 0's
// alone. A rank that fails ends the gang: the others return UNAVAILABLE.
//
// Several targets: a batch trains once on all their corpora and evaluates each target; a sequence
// trains on the corpus of target k from the weights that the training of target k - 1 left, then
// evaluates targets 1 to k as checkpoint k, of the last one as checkpoint 0. With evaluate_epochs,
// the targets are evaluated after every epoch as its checkpoint, after the last one as checkpoint 0
// alone. If that finds a collapse (see collapse.h), the training ends there, and the evaluation
// counts as the last one.
//
// INVALID_ARGUMENT and NOT_FOUND name the model, dataset, target, file or recipe field at fault;
// INTERNAL names both checksums if the weights are not the original ones; errors of the engine, of
// the callbacks and the reason of `cancel` come through as they are (see Classify). After an error
// the engine may go on to the next attempt.
absl::StatusOr<AttemptResult> RunAttempt(const AttemptSpec& spec, const Roots& roots,
                                         engine::Engine& engine, const Clock& clock,
                                         const AttemptCallbacks& callbacks,
                                         const CancelToken& cancel);

}  // namespace rwku::job
