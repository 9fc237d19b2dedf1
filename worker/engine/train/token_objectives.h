// Losses that weigh each labelled token's NLL by itself: means over the batch's labelled tokens.
//
//   kCausalLm        NLL
//   kGradientAscent  -NLL                              (Jang et al., 2023)
//   kWga             -sg(p)^beta NLL                   (Wang et al., 2025)
//   kSatImp          -sg(p)^beta sg(1 - p)^beta2 NLL   (Yang et al., 2025)
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/engine/engine.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/batch_loss.h"
#include "worker/engine/train/pack.h"

namespace rwku::engine {

// dL/dNLL of one token of a mean of one, [N] float32, from the NLLs [N]; the loss of the token is
// this times its NLL. `plan.objective` is one of the above.
at::Tensor TokenWeights(const TrainingPlan& plan, const at::Tensor& nll);

at::Tensor BackwardTokenObjective(const CausalLm& model, const LabelledPack& pack,
                                  const TrainingPlan& plan, const BatchScale& scale);

// Mean NLL of the batch's labelled tokens: the retain term kNll.
at::Tensor BackwardNll(const CausalLm& model, const LabelledPack& pack, const BatchScale& scale);

}  // namespace rwku::engine
