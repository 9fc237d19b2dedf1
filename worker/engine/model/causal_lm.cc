#include "worker/engine/model/causal_lm.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "base/check.h"
#include "base/random.h"

namespace rwku::engine {

namespace {

// x * cos + rotate_half(x) * sin; x is [T, heads, head_dim], cos and sin [T, 1, head_dim].
at::Tensor Rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const int64_t half = x.size(-1) / 2;
  const at::Tensor rotated =
      at::cat({at::neg(x.narrow(-1, half, half)), x.narrow(-1, 0, half)}, -1);
  return x * cos + rotated * sin;
}

// Causal attention of each sequence to itself. q is [T, heads, head_dim], k and v
// [T, kv_heads, head_dim]; the result is [T, heads * head_dim].
at::Tensor PackedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const std::vector<int64_t>& offsets) {
  const int64_t tokens = q.size(0);
  if (q.is_cuda() && q.scalar_type() != at::ScalarType::Float) {
    int64_t longest = 0;
    for (size_t i = 0; i + 1 < offsets.size(); ++i) {
      longest = std::max(longest, offsets[i + 1] - offsets[i]);
    }
    const std::vector<int32_t> narrow(offsets.begin(), offsets.end());
    const at::Tensor bounds = at::tensor(narrow, at::kInt).to(q.device());
    return std::get<0>(at::_flash_attention_forward(q, k, v, bounds, bounds, longest, longest,
                                                    /*dropout_p=*/0.0, /*is_causal=*/true,
                                                    /*return_debug_mask=*/false))
        .reshape({tokens, -1});
  }
  const bool grouped = q.size(1) != k.size(1);
  std::vector<at::Tensor> outputs;
  outputs.reserve(offsets.size());
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    const int64_t begin = offsets[i];
    const int64_t length = offsets[i + 1] - begin;
    // [1, heads, length, head_dim]
    const auto part = [&](const at::Tensor& x) {
      return x.narrow(0, begin, length).transpose(0, 1).unsqueeze(0);
    };
    outputs.push_back(at::scaled_dot_product_attention(part(q), part(k), part(v), {}, 0.0,
                                                       /*is_causal=*/true, std::nullopt, grouped)
                          .squeeze(0)
                          .transpose(0, 1));
  }
  const at::Tensor joined = outputs.size() == 1 ? outputs[0] : at::cat(outputs, 0);
  return joined.reshape({tokens, -1});
}

at::Tensor Weight(std::vector<int64_t> shape, at::Device device) {
  return at::zeros(shape, at::TensorOptions().dtype(at::kFloat).device(device));
}

}  // namespace

at::Tensor Linear::Forward(const at::Tensor& x) const {
  const auto dtype = x.scalar_type();
  at::Tensor y = at::linear(x, weight.to(dtype));
  if (adapter) {
    y = y + at::linear(at::linear(x, adapter->a.to(dtype)), adapter->b.to(dtype)) * adapter->scale;
  }
  return y;
}

PackedSequences MakePacked(absl::Span<const std::vector<int32_t>> sequences, at::Device device) {
  PackedSequences packed;
  packed.offsets.reserve(sequences.size() + 1);
  packed.offsets.push_back(0);
  for (const std::vector<int32_t>& sequence : sequences) {
    RWKU_CHECK(!sequence.empty());
    packed.offsets.push_back(packed.offsets.back() + static_cast<int64_t>(sequence.size()));
  }
  const auto options = at::TensorOptions().dtype(at::kLong);
  packed.tokens = at::empty({packed.offsets.back()}, options);
  packed.positions = at::empty({packed.offsets.back()}, options);
  auto* token = packed.tokens.mutable_data_ptr<int64_t>();
  auto* position = packed.positions.mutable_data_ptr<int64_t>();
  for (const std::vector<int32_t>& sequence : sequences) {
    for (size_t i = 0; i < sequence.size(); ++i) {
      *token++ = sequence[i];
      *position++ = static_cast<int64_t>(i);
    }
  }
  packed.tokens = packed.tokens.to(device);
  packed.positions = packed.positions.to(device);
  return packed;
}

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scale = at::rsqrt(wide.pow(2).mean(-1, /*keepdim=*/true) + eps);
  return weight.to(x.scalar_type()) * (wide * scale).to(x.scalar_type());
}

CausalLm::CausalLm(ModelConfig config, at::Device device)
    : config_(std::move(config)),
      device_(device),
      compute_dtype_(device.is_cuda() ? at::kBFloat16 : at::kFloat) {
  const int64_t hidden = config_.hidden_size;
  const int64_t queries = config_.num_attention_heads * config_.head_dim;
  const int64_t keys = config_.num_key_value_heads * config_.head_dim;
  const int64_t inner = config_.intermediate_size;
  embedding = Weight({config_.vocab_size, hidden}, device_);
  layers.resize(static_cast<size_t>(config_.num_hidden_layers));
  for (CausalLmLayer& layer : layers) {
    layer.input_norm = Weight({hidden}, device_);
    layer.q_proj.weight = Weight({queries, hidden}, device_);
    layer.k_proj.weight = Weight({keys, hidden}, device_);
    layer.v_proj.weight = Weight({keys, hidden}, device_);
    layer.o_proj.weight = Weight({hidden, queries}, device_);
    layer.post_attn_norm = Weight({hidden}, device_);
    layer.gate_proj.weight = Weight({inner, hidden}, device_);
    layer.up_proj.weight = Weight({inner, hidden}, device_);
    layer.down_proj.weight = Weight({hidden, inner}, device_);
  }
  final_norm = Weight({hidden}, device_);
  lm_head.weight =
      config_.tie_word_embeddings ? embedding : Weight({config_.vocab_size, hidden}, device_);
  inverse_frequencies_ = at::tensor(RopeInverseFrequencies(config_), at::kFloat).to(device_);
}

std::unique_ptr<CausalLm> CausalLm::Random(const ModelConfig& config, uint64_t seed, double std,
                                           at::Device device) {
  auto model = std::make_unique<CausalLm>(config, device);
  for (auto& [name, parameter] : model->NamedParameters()) {
    if (parameter.dim() == 1) {
      parameter.fill_(1);
      continue;
    }
    rwku::Random random(seed, name);
    at::Tensor draws = at::empty(parameter.sizes(), at::TensorOptions().dtype(at::kFloat));
    auto* const values = draws.mutable_data_ptr<float>();
    for (int64_t i = 0; i < draws.numel(); ++i) {
      values[i] = static_cast<float>(random.Normal() * std);
    }
    parameter.copy_(draws);
  }
  return model;
}

at::Tensor CausalLm::Hidden(const PackedSequences& input) const {
  return RmsNorm(Residual(input, config_.num_hidden_layers), final_norm, config_.rms_norm_eps);
}

at::Tensor CausalLm::LayerOutput(const PackedSequences& input, int64_t layer) const {
  return Residual(input, layer + 1);
}

at::Tensor CausalLm::Residual(const PackedSequences& input, int64_t count) const {
  const int64_t tokens = input.tokens.size(0);
  const int64_t head_dim = config_.head_dim;
  const at::Tensor angles = at::outer(input.positions.to(at::kFloat), inverse_frequencies_);
  const at::Tensor both = at::cat({angles, angles}, -1).unsqueeze(1);
  const at::Tensor cos = both.cos().to(compute_dtype_);
  const at::Tensor sin = both.sin().to(compute_dtype_);
  at::Tensor x = at::embedding(embedding, input.tokens).to(compute_dtype_);
  for (int64_t l = 0; l < count; ++l) {
    const CausalLmLayer& layer = layers[static_cast<size_t>(l)];
    const at::Tensor normed = RmsNorm(x, layer.input_norm, config_.rms_norm_eps);
    const auto heads = [&](const Linear& linear) {
      return linear.Forward(normed).view({tokens, -1, head_dim});
    };
    const at::Tensor q = Rotate(heads(layer.q_proj), cos, sin);
    const at::Tensor k = Rotate(heads(layer.k_proj), cos, sin);
    const at::Tensor v = heads(layer.v_proj);
    x = x + layer.o_proj.Forward(PackedAttention(q, k, v, input.offsets));
    const at::Tensor inner = RmsNorm(x, layer.post_attn_norm, config_.rms_norm_eps);
    x = x + layer.down_proj.Forward(at::silu(layer.gate_proj.Forward(inner)) *
                                    layer.up_proj.Forward(inner));
  }
  return x;
}

at::Tensor CausalLm::Logits(const at::Tensor& hidden) const { return lm_head.Forward(hidden); }

std::vector<NamedTensor> CausalLm::NamedParameters() const {
  std::vector<NamedTensor> named;
  named.emplace_back("model.embed_tokens.weight", embedding);
  for (size_t i = 0; i < layers.size(); ++i) {
    const CausalLmLayer& layer = layers[i];
    const std::string prefix = absl::StrCat("model.layers.", i, ".");
    named.emplace_back(prefix + "input_layernorm.weight", layer.input_norm);
    named.emplace_back(prefix + "self_attn.q_proj.weight", layer.q_proj.weight);
    named.emplace_back(prefix + "self_attn.k_proj.weight", layer.k_proj.weight);
    named.emplace_back(prefix + "self_attn.v_proj.weight", layer.v_proj.weight);
    named.emplace_back(prefix + "self_attn.o_proj.weight", layer.o_proj.weight);
    named.emplace_back(prefix + "post_attention_layernorm.weight", layer.post_attn_norm);
    named.emplace_back(prefix + "mlp.gate_proj.weight", layer.gate_proj.weight);
    named.emplace_back(prefix + "mlp.up_proj.weight", layer.up_proj.weight);
    named.emplace_back(prefix + "mlp.down_proj.weight", layer.down_proj.weight);
  }
  named.emplace_back("model.norm.weight", final_norm);
  if (!config_.tie_word_embeddings) {
    named.emplace_back("lm_head.weight", lm_head.weight);
  }
  return named;
}

std::vector<std::pair<std::string, Linear*>> CausalLm::NamedLinears() {
  std::vector<std::pair<std::string, Linear*>> named;
  for (size_t i = 0; i < layers.size(); ++i) {
    CausalLmLayer& layer = layers[i];
    const std::string prefix = absl::StrCat("model.layers.", i, ".");
    named.emplace_back(prefix + "self_attn.q_proj", &layer.q_proj);
    named.emplace_back(prefix + "self_attn.k_proj", &layer.k_proj);
    named.emplace_back(prefix + "self_attn.v_proj", &layer.v_proj);
    named.emplace_back(prefix + "self_attn.o_proj", &layer.o_proj);
    named.emplace_back(prefix + "mlp.gate_proj", &layer.gate_proj);
    named.emplace_back(prefix + "mlp.up_proj", &layer.up_proj);
    named.emplace_back(prefix + "mlp.down_proj", &layer.down_proj);
  }
  if (!config_.tie_word_embeddings) {
    named.emplace_back("lm_head", &lm_head);
  }
  return named;
}

void CausalLm::RemoveAdapters() {
  for (auto& [name, linear] : NamedLinears()) {
    linear->adapter.reset();
  }
}

}  // namespace rwku::engine
