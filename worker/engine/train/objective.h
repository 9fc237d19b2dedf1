// The objectives of engine.h, one call for all.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/engine/engine.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/batch_loss.h"
#include "worker/engine/train/pack.h"

namespace rwku::engine {

// What an objective or retain term wants to know of the original model.
enum class ReferenceKind { kNone, kNll, kLabelStates, kPositionStates, kLayerStates };

ReferenceKind ReferenceOf(Objective objective);
ReferenceKind ReferenceOf(RetainTerm term);

// The states that `kind` names, of the model as it is.
at::Tensor StatesOf(ReferenceKind kind, const CausalLm& model, const LabelledPack& pack, int layer);

// `direction` is RandomDirection's, for kRmu.
at::Tensor BackwardForget(const CausalLm& model, const LabelledPack& pack, const TrainingPlan& plan,
                          const PackReference& reference, const at::Tensor& direction,
                          const BatchScale& scale);

at::Tensor BackwardRetain(const CausalLm& model, const LabelledPack& pack, const TrainingPlan& plan,
                          const PackReference& reference, const BatchScale& scale);

}  // namespace rwku::engine
