// Losses of the summed NLL of sequences: means over the batch's items.
//
//   kNpo     -(2/beta) log sigmoid(beta (NLL - NLL_ref))               (Zhang et al., 2024)
//   kSimNpo  -(2/beta) log sigmoid(beta (NLL / tokens - margin))       (Fan et al., 2024)
//   kDpo     -log sigmoid(beta ((NLL_ref - NLL)(chosen) - (NLL_ref - NLL)(rejected)))
//                                                                      (Rafailov et al., 2023)
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/engine/engine.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/batch_loss.h"
#include "worker/engine/train/pack.h"

namespace rwku::engine {

// `reference.nll` is read by kNpo and kDpo; a pack of kDpo holds chosen and rejected in turn.
at::Tensor BackwardSequenceObjective(const CausalLm& model, const LabelledPack& pack,
                                     const TrainingPlan& plan, const PackReference& reference,
                                     const BatchScale& scale);

// The summed NLL of each sequence of the pack, float64 on the model's device, without gradients.
at::Tensor SequenceNll(const CausalLm& model, const LabelledPack& pack);

}  // namespace rwku::engine
