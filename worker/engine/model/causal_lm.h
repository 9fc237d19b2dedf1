// Decoder-only transformers of the families of family.h as functions of their weights: forward
// passes that autograd follows, over packed sequences. It knows no tokenizer, cache, optimizer or
// loss.
//
// Weights are held once, in the dtype that products are computed in. A pass computes what
// transformers computes under autocast with that dtype: products and attention in it, the residual
// stream, norms and rotations in float32.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include <ATen/core/Tensor.h>

#include "worker/engine/model/model_config.h"

namespace rwku::engine {

// A low-rank update of a weight: W + scale * b a (Hu et al., LoRA, 2021).
struct LoraAdapter {
  at::Tensor a;  // [rank, in] float32
  at::Tensor b;  // [out, rank] float32
  double scale = 1;
};

// A product with a weight, and with its adapter where there is one, plus the bias where there is
// one.
struct Linear {
  at::Tensor weight;     // [out, in]; undefined in a projection that the family does not have
  at::Tensor bias = {};  // [out] float32, or undefined
  std::optional<LoraAdapter> adapter = std::nullopt;

  // [..., in] of any dtype -> [..., out] in the weight's.
  at::Tensor Forward(const at::Tensor& x) const;
};

// Either q_proj, k_proj, v_proj, gate_proj and up_proj are defined, or for a family with fused
// projections qkv_proj and gate_up_proj, which hold the rows of those one after another.
struct CausalLmLayer {
  at::Tensor input_norm;      // [hidden]
  Linear q_proj;              // [heads * head_dim, hidden]
  Linear k_proj;              // [kv_heads * head_dim, hidden]
  Linear v_proj;              // [kv_heads * head_dim, hidden]
  Linear qkv_proj;            // [(heads + 2 * kv_heads) * head_dim, hidden]
  Linear o_proj;              // [hidden, heads * head_dim]
  at::Tensor post_attn_norm;  // [hidden]
  Linear gate_proj;           // [intermediate, hidden]
  Linear up_proj;             // [intermediate, hidden]
  Linear gate_up_proj;        // [2 * intermediate, hidden]
  Linear down_proj;           // [hidden, intermediate]

  // [T, hidden] -> queries [T, heads, head_dim], keys and values [T, kv_heads, head_dim], before
  // rotation.
  std::array<at::Tensor, 3> QueriesKeysValues(const at::Tensor& normed,
                                              const ModelConfig& config) const;

  // down(silu(gate(x)) * up(x)): [T, hidden] -> [T, hidden].
  at::Tensor Mlp(const at::Tensor& normed) const;
};

// Sequences one after another, without padding.
struct PackedSequences {
  at::Tensor tokens;             // [T] int64
  at::Tensor positions;          // [T] int64, from 0 in each sequence
  std::vector<int64_t> offsets;  // n + 1 ascending; sequence i is [offsets[i], offsets[i + 1])
  at::Tensor bounds;             // [n + 1] int32, the offsets where the tokens are
};

// No sequence may be empty. The host does not wait for the copies to `device`.
PackedSequences MakePacked(absl::Span<const std::vector<int32_t>> sequences, at::Device device);

// x / rms(x) * weight with the mean in float32, in x's dtype; [..., hidden]. `weight` is float32.
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);

// bfloat16 on a GPU, else float32.
at::ScalarType DefaultComputeDtype(at::Device device);

using NamedTensor = std::pair<std::string, at::Tensor>;

// Not thread-safe. Methods throw torch's exceptions: callers stand behind CatchTorch.
class CausalLm {
 public:
  // All weights zero on `device`: matrices of `dtype` (unset: DefaultComputeDtype), float32 or
  // bfloat16; norms and biases, which are small, of float32. `config` must be valid
  // (ValidateModelConfig).
  CausalLm(ModelConfig config, at::Device device,
           std::optional<at::ScalarType> dtype = std::nullopt);

  // Norms one, all else, biases too, normal(0, std): weight `i` of tensor `name` is the i-th draw
  // of Random(seed, name), rounded to its dtype, the same on every machine.
  static std::unique_ptr<CausalLm> Random(const ModelConfig& config, uint64_t seed, double std,
                                          at::Device device = at::kCPU,
                                          std::optional<at::ScalarType> dtype = std::nullopt);

  const ModelConfig& config() const { return config_; }
  at::Device device() const { return device_; }

  // The dtype of weight matrices and of products.
  at::ScalarType compute_dtype() const { return compute_dtype_; }

  // Final hidden states after the last norm: [T, hidden] float32. Attention is causal within each
  // sequence, and within the layer's window where it has one. Where the config has longrope, each
  // sequence takes the factors of its own length.
  at::Tensor Hidden(const PackedSequences& input) const;

  // The output of decoder layer `layer`, from 0, before any further norm: [T, hidden] float32. The
  // layers after it are not computed.
  at::Tensor LayerOutput(const PackedSequences& input, int64_t layer) const;

  // The outputs of all decoder layers, as LayerOutput gives them.
  std::vector<at::Tensor> LayerOutputs(const PackedSequences& input) const;

  // [N, hidden] -> [N, vocab] in compute_dtype().
  at::Tensor Logits(const at::Tensor& hidden) const;

  // Weights under their names in transformers ("model.layers.0.self_attn.q_proj.weight"), in a
  // fixed order; a tied head is not listed. The tensors are the model's own: in-place changes and
  // requires_grad_() take effect. Adapters are not listed.
  std::vector<NamedTensor> NamedParameters() const;

  // Every Linear of the family under its name without ".weight" ("model.layers.0.self_attn.q_proj",
  // for phi3 "model.layers.0.self_attn.qkv_proj"), lm_head last where it is not tied. Pointers live
  // as long as the model.
  std::vector<std::pair<std::string, Linear*>> NamedLinears();

  // The last parts of the names of a layer's Linears ("q_proj"), in the order of NamedLinears().
  std::vector<std::string> ProjectionNames() const;

  void RemoveAdapters();

  // The weights themselves.
  at::Tensor embedding;  // [vocab, hidden]
  std::vector<CausalLmLayer> layers;
  at::Tensor final_norm;  // [hidden]
  Linear lm_head;         // [vocab, hidden]; its weight is `embedding` itself when tied

 private:
  // The residual stream after the first `count` decoder layers: [T, hidden]. Appends what every one
  // of them gives to `outputs` where that is not null.
  at::Tensor Residual(const PackedSequences& input, int64_t count,
                      std::vector<at::Tensor>* outputs = nullptr) const;

  // Cosines and sines, [T, 1, head_dim] float32 each.
  std::pair<at::Tensor, at::Tensor> Rotary(const PackedSequences& input) const;

  ModelConfig config_;
  at::Device device_;
  at::ScalarType compute_dtype_;
  at::Tensor inverse_frequencies_;       // [head_dim / 2] float32
  at::Tensor long_inverse_frequencies_;  // of sequences that UsesLongRope
};

// Reads config.json and the safetensors of `folder` into a model whose matrices are of `dtype`, as
// the constructor has it; where `stored` is not null, also into tensors on the host of the dtypes
// that the files have, in the order of NamedParameters() (for a GPU in pinned memory). Reads and
// converts with at::get_num_threads() threads. INVALID_ARGUMENT names the file and tensor: missing,
// unexpected, of another shape or dtype.
absl::StatusOr<std::unique_ptr<CausalLm>> LoadCausalLm(
    const std::filesystem::path& folder, at::Device device,
    std::optional<at::ScalarType> dtype = std::nullopt, std::vector<at::Tensor>* stored = nullptr);

// Writes config.json and model.safetensors (float32, whatever the model computes in) into `folder`,
// which must exist, as transformers' from_pretrained reads them. FAILED_PRECONDITION while there
// are adapters.
absl::Status SaveCausalLm(CausalLm& model, const std::filesystem::path& folder);

}  // namespace rwku::engine
