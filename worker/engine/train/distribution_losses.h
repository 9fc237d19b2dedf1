// Cross-entropies of the model's distribution against another one. Logits and the other
// distribution exist for one chunk of positions at a time; the derivative by the logits is
// softmax - the other distribution.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/batch_loss.h"
#include "worker/engine/train/pack.h"

namespace rwku::engine {

// kCeu (Yang, 2025): mean over the labels of the cross-entropy against the own distribution
// without the label, softmax(z with the label's at -infinity), as a constant.
at::Tensor BackwardCeu(const CausalLm& model, const LabelledPack& pack, const BatchScale& scale);

// kUndial (Dong et al., 2025): mean over the labels of the cross-entropy against
// softmax(z_ref - beta onehot(label)). `reference.states` are LabelStates of the original model.
at::Tensor BackwardUndial(const CausalLm& model, const LabelledPack& pack, double beta,
                          const PackReference& reference, const BatchScale& scale);

// The retain term kKl: KL(p_ref || p), mean over all tokens but each sequence's last.
// `reference.states` are PositionStates of the original model.
at::Tensor BackwardKl(const CausalLm& model, const LabelledPack& pack,
                      const PackReference& reference, const BatchScale& scale);

// The model's last states [N, hidden] at the positions that predict the pack's labels.
at::Tensor LabelStates(const CausalLm& model, const LabelledPack& pack);

// The same at every token but each sequence's last.
at::Tensor PositionStates(const CausalLm& model, const LabelledPack& pack);

}  // namespace rwku::engine
