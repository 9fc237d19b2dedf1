#include "worker/engine/model/causal_lm.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/_fused_rms_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/tril.h>
#include <ATen/ops/triu.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "base/check.h"
#include "base/random.h"
#include "worker/engine/model/rope.h"
#include "worker/engine/model/to_device.h"

namespace rwku::engine {

namespace {

// x * cos + rotate_half(x) * sin in float32, then in x's dtype; x is [T, heads, head_dim], cos and
// sin [T, 1, head_dim].
at::Tensor Rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const int64_t half = x.size(-1) / 2;
  const at::Tensor rotated =
      at::cat({at::neg(x.narrow(-1, half, half)), x.narrow(-1, 0, half)}, -1);
  return (x * cos + rotated * sin).to(x.scalar_type());
}

// [length, length]: whether a query, the row, sees a key, itself and the window - 1 before it.
at::Tensor WindowMask(int64_t length, int64_t window, at::Device device) {
  const at::Tensor all =
      at::ones({length, length}, at::TensorOptions().dtype(at::kBool).device(device));
  return at::triu(at::tril(all), 1 - window);
}

// Causal attention of each sequence to itself, to the last `window` keys where it is not 0. q is
// [T, heads, head_dim], k and v [T, kv_heads, head_dim]; the result is [T, heads * head_dim].
at::Tensor PackedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const PackedSequences& input, int64_t window) {
  const std::vector<int64_t>& offsets = input.offsets;
  const int64_t tokens = q.size(0);
  if (q.is_cuda() && q.scalar_type() != at::ScalarType::Float) {
    int64_t longest = 0;
    for (size_t i = 0; i + 1 < offsets.size(); ++i) {
      longest = std::max(longest, offsets[i + 1] - offsets[i]);
    }
    // Unbounded where every sequence fits into the window.
    const int64_t left = window > 0 && window < longest ? window - 1 : -1;
    return std::get<0>(at::_flash_attention_forward(
                           q, k, v, input.bounds, input.bounds, longest, longest,
                           /*dropout_p=*/0.0, /*is_causal=*/true, /*return_debug_mask=*/false,
                           /*scale=*/std::nullopt, /*window_size_left=*/left,
                           /*window_size_right=*/left < 0 ? -1 : 0))
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
    std::optional<at::Tensor> mask;
    if (window > 0 && window < length) {
      mask = WindowMask(length, window, q.device());
    }
    outputs.push_back(at::scaled_dot_product_attention(part(q), part(k), part(v), mask, 0.0,
                                                       /*is_causal=*/!mask, std::nullopt, grouped)
                          .squeeze(0)
                          .transpose(0, 1));
  }
  const at::Tensor joined = outputs.size() == 1 ? outputs[0] : at::cat(outputs, 0);
  return joined.reshape({tokens, -1});
}

// A layer's Linears by name, those that its family has. `Layer` is a CausalLmLayer, const or not.
template <typename Layer>
auto ProjectionsOf(Layer& layer) {
  using Named =
      std::pair<const char*, std::conditional_t<std::is_const_v<Layer>, const Linear, Linear>*>;
  struct Projections {
    std::vector<Named> attention;
    std::vector<Named> mlp;
  };
  Projections projections;
  const auto add = [](std::vector<Named>& to, const char* name, auto& linear) {
    if (linear.weight.defined()) {
      to.emplace_back(name, &linear);
    }
  };
  add(projections.attention, "q_proj", layer.q_proj);
  add(projections.attention, "k_proj", layer.k_proj);
  add(projections.attention, "v_proj", layer.v_proj);
  add(projections.attention, "qkv_proj", layer.qkv_proj);
  add(projections.attention, "o_proj", layer.o_proj);
  add(projections.mlp, "gate_proj", layer.gate_proj);
  add(projections.mlp, "up_proj", layer.up_proj);
  add(projections.mlp, "gate_up_proj", layer.gate_up_proj);
  add(projections.mlp, "down_proj", layer.down_proj);
  return projections;
}

}  // namespace

at::Tensor Linear::Forward(const at::Tensor& x) const {
  const auto dtype = weight.scalar_type();
  const at::Tensor input = x.to(dtype);
  at::Tensor y =
      bias.defined() ? at::linear(input, weight, bias.to(dtype)) : at::linear(input, weight);
  if (adapter) {
    y = y +
        at::linear(at::linear(input, adapter->a.to(dtype)), adapter->b.to(dtype)) * adapter->scale;
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
  packed.tokens = ToDevice(packed.tokens, device);
  packed.positions = ToDevice(packed.positions, device);
  const std::vector<int32_t> narrow(packed.offsets.begin(), packed.offsets.end());
  packed.bounds = ToDevice(at::tensor(narrow, at::kInt), device);
  return packed;
}

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  if (x.scalar_type() == at::kFloat) {
    return std::get<0>(at::_fused_rms_norm(x, {x.size(-1)}, weight, eps));
  }
  // As transformers has it, rounded before it is weighted; the fused operator rounds after.
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scale = at::rsqrt(wide.pow(2).mean(-1, /*keepdim=*/true) + eps);
  return weight.to(x.scalar_type()) * (wide * scale).to(x.scalar_type());
}

at::ScalarType DefaultComputeDtype(at::Device device) {
  return device.is_cuda() ? at::kBFloat16 : at::kFloat;
}

CausalLm::CausalLm(ModelConfig config, at::Device device, std::optional<at::ScalarType> dtype)
    : config_(std::move(config)),
      device_(device),
      compute_dtype_(dtype.value_or(DefaultComputeDtype(device))) {
  const auto vector = [device](int64_t size) {
    return at::zeros({size}, at::TensorOptions().dtype(at::kFloat).device(device));
  };
  const auto matrix = [this](int64_t outputs, int64_t inputs) {
    return at::zeros({outputs, inputs}, at::TensorOptions().dtype(compute_dtype_).device(device_));
  };
  const int64_t hidden = config_.hidden_size;
  const int64_t queries = config_.num_attention_heads * config_.head_dim;
  const int64_t keys = config_.num_key_value_heads * config_.head_dim;
  const int64_t inner = config_.intermediate_size;
  embedding = matrix(config_.vocab_size, hidden);
  layers.resize(static_cast<size_t>(config_.num_hidden_layers));
  for (CausalLmLayer& layer : layers) {
    layer.input_norm = vector(hidden);
    if (config_.HasFusedProjections()) {
      layer.qkv_proj.weight = matrix(queries + 2 * keys, hidden);
      layer.gate_up_proj.weight = matrix(2 * inner, hidden);
    } else {
      layer.q_proj.weight = matrix(queries, hidden);
      layer.k_proj.weight = matrix(keys, hidden);
      layer.v_proj.weight = matrix(keys, hidden);
      layer.gate_proj.weight = matrix(inner, hidden);
      layer.up_proj.weight = matrix(inner, hidden);
    }
    if (config_.HasQkvBias()) {
      layer.q_proj.bias = vector(queries);
      layer.k_proj.bias = vector(keys);
      layer.v_proj.bias = vector(keys);
    }
    layer.o_proj.weight = matrix(hidden, queries);
    layer.post_attn_norm = vector(hidden);
    layer.down_proj.weight = matrix(hidden, inner);
  }
  final_norm = vector(hidden);
  lm_head.weight = config_.tie_word_embeddings ? embedding : matrix(config_.vocab_size, hidden);
  const auto frequencies = [&](bool is_long) {
    return at::tensor(RopeInverseFrequencies(config_, is_long), at::kFloat).to(device_);
  };
  inverse_frequencies_ = frequencies(false);
  long_inverse_frequencies_ = frequencies(true);
}

std::unique_ptr<CausalLm> CausalLm::Random(const ModelConfig& config, uint64_t seed, double std,
                                           at::Device device, std::optional<at::ScalarType> dtype) {
  auto model = std::make_unique<CausalLm>(config, device, dtype);
  for (auto& [name, parameter] : model->NamedParameters()) {
    if (absl::EndsWith(name, "norm.weight")) {
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

std::pair<at::Tensor, at::Tensor> CausalLm::Rotary(const PackedSequences& input) const {
  at::Tensor frequencies = inverse_frequencies_.unsqueeze(0);
  std::vector<int64_t> is_long;
  is_long.reserve(static_cast<size_t>(input.offsets.back()));
  bool has_long = false;
  for (size_t i = 0; i + 1 < input.offsets.size(); ++i) {
    const int64_t length = input.offsets[i + 1] - input.offsets[i];
    const bool uses_long = UsesLongRope(config_, length);
    has_long = has_long || uses_long;
    is_long.insert(is_long.end(), static_cast<size_t>(length), uses_long ? 1 : 0);
  }
  if (has_long) {
    const at::Tensor chosen =
        ToDevice(at::tensor(is_long, at::kLong), device_).to(at::kBool).unsqueeze(1);
    frequencies = at::where(chosen, long_inverse_frequencies_.unsqueeze(0), frequencies);
  }
  const at::Tensor angles = input.positions.to(at::kFloat).unsqueeze(1) * frequencies;
  const at::Tensor both = at::cat({angles, angles}, -1).unsqueeze(1);
  const double factor = RopeAttentionFactor(config_);
  return {both.cos() * factor, both.sin() * factor};
}

at::Tensor CausalLm::Hidden(const PackedSequences& input) const {
  return RmsNorm(Residual(input, config_.num_hidden_layers), final_norm, config_.rms_norm_eps);
}

at::Tensor CausalLm::LayerOutput(const PackedSequences& input, int64_t layer) const {
  return Residual(input, layer + 1);
}

std::vector<at::Tensor> CausalLm::LayerOutputs(const PackedSequences& input) const {
  std::vector<at::Tensor> outputs;
  Residual(input, config_.num_hidden_layers, &outputs);
  return outputs;
}

at::Tensor CausalLm::Residual(const PackedSequences& input, int64_t count,
                              std::vector<at::Tensor>* outputs) const {
  const auto [cos, sin] = Rotary(input);
  at::Tensor x = at::embedding(embedding, input.tokens).to(at::kFloat);
  for (int64_t l = 0; l < count; ++l) {
    const CausalLmLayer& layer = layers[static_cast<size_t>(l)];
    const at::Tensor normed = RmsNorm(x, layer.input_norm, config_.rms_norm_eps).to(compute_dtype_);
    const auto [q, k, v] = layer.QueriesKeysValues(normed, config_);
    const at::Tensor attended =
        PackedAttention(Rotate(q, cos, sin), Rotate(k, cos, sin), v, input, config_.Window(l));
    x = x + layer.o_proj.Forward(attended);
    x = x + layer.Mlp(RmsNorm(x, layer.post_attn_norm, config_.rms_norm_eps).to(compute_dtype_));
    if (outputs != nullptr) {
      outputs->push_back(x);
    }
  }
  return x;
}

at::Tensor CausalLm::Logits(const at::Tensor& hidden) const { return lm_head.Forward(hidden); }

std::vector<NamedTensor> CausalLm::NamedParameters() const {
  std::vector<NamedTensor> named;
  const auto add = [&named](const std::string& name, const Linear& linear) {
    named.emplace_back(name + ".weight", linear.weight);
    if (linear.bias.defined()) {
      named.emplace_back(name + ".bias", linear.bias);
    }
  };
  named.emplace_back("model.embed_tokens.weight", embedding);
  for (size_t i = 0; i < layers.size(); ++i) {
    const CausalLmLayer& layer = layers[i];
    const std::string prefix = absl::StrCat("model.layers.", i, ".");
    const auto projections = ProjectionsOf(layer);
    named.emplace_back(prefix + "input_layernorm.weight", layer.input_norm);
    for (const auto& [name, linear] : projections.attention) {
      add(absl::StrCat(prefix, "self_attn.", name), *linear);
    }
    named.emplace_back(prefix + "post_attention_layernorm.weight", layer.post_attn_norm);
    for (const auto& [name, linear] : projections.mlp) {
      add(absl::StrCat(prefix, "mlp.", name), *linear);
    }
  }
  named.emplace_back("model.norm.weight", final_norm);
  if (!config_.tie_word_embeddings) {
    add("lm_head", lm_head);
  }
  return named;
}

std::vector<std::pair<std::string, Linear*>> CausalLm::NamedLinears() {
  std::vector<std::pair<std::string, Linear*>> named;
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::string prefix = absl::StrCat("model.layers.", i, ".");
    const auto projections = ProjectionsOf(layers[i]);
    for (const auto& [name, linear] : projections.attention) {
      named.emplace_back(absl::StrCat(prefix, "self_attn.", name), linear);
    }
    for (const auto& [name, linear] : projections.mlp) {
      named.emplace_back(absl::StrCat(prefix, "mlp.", name), linear);
    }
  }
  if (!config_.tie_word_embeddings) {
    named.emplace_back("lm_head", &lm_head);
  }
  return named;
}

std::vector<std::string> CausalLm::ProjectionNames() const {
  std::vector<std::string> names;
  const auto projections = ProjectionsOf(layers.front());
  for (const auto* const part : {&projections.attention, &projections.mlp}) {
    for (const auto& [name, linear] : *part) {
      names.emplace_back(name);
    }
  }
  return names;
}

void CausalLm::RemoveAdapters() {
  for (auto& [name, linear] : NamedLinears()) {
    linear->adapter.reset();
  }
}

}  // namespace rwku::engine
