// Losses of one decoder layer's output: the mean over sequences of the mean over labels of the mean
// squared distance of the state at the label's own position to a target (Li et al., RMU, 2024).
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/batch_loss.h"
#include "worker/engine/train/pack.h"

namespace rwku::engine {

// The output of decoder layer `layer` at the labels' own positions: [N, hidden].
at::Tensor LayerStates(const CausalLm& model, const LabelledPack& pack, int64_t layer);

// kRmu and the retain term kHidden. `target` is [hidden], or [N, hidden] as LayerStates gives them.
// A sequence without a label has distance 0.
at::Tensor BackwardHiddenDistance(const CausalLm& model, const LabelledPack& pack, int64_t layer,
                                  const at::Tensor& target, const BatchScale& scale);

// A direction of length 1, [size] float32: element i is the i-th draw of
// Random(seed, "rmu direction"), uniform in [0, 1), before the division by the length.
at::Tensor RandomDirection(uint64_t seed, int64_t size);

}  // namespace rwku::engine
