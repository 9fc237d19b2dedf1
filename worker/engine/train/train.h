// One training of a model in place: GA, NPO or plain fine-tuning, full or with adapters.
#pragma once

#include "absl/status/statusor.h"

#include "base/cancel.h"
#include "text/tokenizer.h"
#include "worker/engine/engine.h"
#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

// Trains `model` on plan.texts, visited in EpochOrder, and leaves it trained; adapters stay
// attached. An epoch's last batch may be smaller, and so may its last group of batches: as in
// transformers' Trainer it makes a step of its own, divided by the batches it has. Loss of a batch:
// the mean over its labelled tokens, or with NPO the mean over its texts; a text without a labelled
// token counts as a text with NLL 0. NPO's reference is the model as it comes, without adapters.
//
// INVALID_ARGUMENT names the plan's field and what is allowed; DATA_LOSS names the step whose loss
// or gradient norm is not finite (its update is not made) and the last good loss;
// RESOURCE_EXHAUSTED is memory; otherwise the reason of `cancel`, looked at between passes. After
// an error the weights are undefined.
absl::StatusOr<TrainingReport> TrainModel(CausalLm& model, const text::Tokenizer& tokenizer,
                                          const TrainingPlan& plan,
                                          const TrainingCallbacks& callbacks,
                                          const CancelToken& cancel);

// OK, or INVALID_ARGUMENT with the field and what is allowed.
absl::Status ValidateTrainingPlan(const TrainingPlan& plan);

// Optimizer steps of a training on `text_count` texts.
int64_t TotalSteps(const TrainingPlan& plan, int64_t text_count);

}  // namespace rwku::engine
