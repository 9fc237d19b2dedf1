// The product that ends a gated feed-forward layer, with little kept for the backward pass.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

// down.Forward(silu(gate) * up) for `gate` and `up` [T, intermediate] of the weight's dtype. `down`
// has no bias. Autograd keeps the two inputs alone and makes what lies between again: half of what
// the operators one after another would keep. Same bits as those.
at::Tensor SwiGluProduct(const at::Tensor& gate, const at::Tensor& up, const Linear& down);

}  // namespace rwku::engine
