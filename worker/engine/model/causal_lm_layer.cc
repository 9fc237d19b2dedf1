// The parts of a decoder layer that do not depend on how attention is computed.
#include <array>
#include <vector>

#include "worker/engine/model/causal_lm.h"
#include "worker/engine/model/swiglu.h"

namespace rwku::engine {

std::array<at::Tensor, 3> CausalLmLayer::QueriesKeysValues(const at::Tensor& normed,
                                                           const ModelConfig& config) const {
  const int64_t tokens = normed.size(0);
  const int64_t heads = config.num_attention_heads;
  const int64_t kv_heads = config.num_key_value_heads;
  if (qkv_proj.weight.defined()) {
    const at::Tensor joined = qkv_proj.Forward(normed).view({tokens, -1, config.head_dim});
    return {joined.narrow(1, 0, heads), joined.narrow(1, heads, kv_heads),
            joined.narrow(1, heads + kv_heads, kv_heads)};
  }
  const auto split = [&](const Linear& linear) {
    return linear.Forward(normed).view({tokens, -1, config.head_dim});
  };
  return {split(q_proj), split(k_proj), split(v_proj)};
}

at::Tensor CausalLmLayer::Mlp(const at::Tensor& normed) const {
  if (gate_up_proj.weight.defined()) {
    const std::vector<at::Tensor> halves = gate_up_proj.Forward(normed).chunk(2, -1);
    return SwiGluProduct(halves[0], halves[1], down_proj);
  }
  return SwiGluProduct(gate_proj.Forward(normed), up_proj.Forward(normed), down_proj);
}

}  // namespace rwku::engine
