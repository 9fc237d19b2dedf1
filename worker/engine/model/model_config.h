// config.json of a model folder, for the architectures that the engine knows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rwku::engine {

enum class RopeScalingType { kNone, kLinear, kLlama3 };

struct RopeScaling {
  RopeScalingType type = RopeScalingType::kNone;
  double factor = 1;
  // kLlama3 only.
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  int64_t original_max_position_embeddings = 8192;
};

struct ModelConfig {
  std::string model_type = "llama";
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;  // divides num_attention_heads
  int64_t head_dim = 0;             // even
  int64_t vocab_size = 0;
  int64_t max_position_embeddings = 2048;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  RopeScaling rope_scaling;
  bool tie_word_embeddings = false;
  std::optional<int64_t> bos_token_id;
  std::vector<int64_t> eos_token_ids;
  std::string torch_dtype = "float32";  // as stored; the engine keeps float32

  int64_t ParameterCount() const;
};

// OK when every field lies in its range and the fields fit together; INVALID_ARGUMENT names `file`,
// the field, what was found and what is allowed.
absl::Status ValidateModelConfig(const ModelConfig& config, absl::string_view file);

// INVALID_ARGUMENT names `file`, the field and what is allowed; an unknown model_type lists what is
// supported. Biases (attention_bias, mlp_bias) and activations other than silu are refused.
absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view contents, absl::string_view file);

// Reads `folder`/config.json.
absl::StatusOr<ModelConfig> LoadModelConfig(const std::filesystem::path& folder);

// config.json as transformers reads it.
std::string ModelConfigToJson(const ModelConfig& config);

// The rotary angles per position, one for each pair of dimensions: [head_dim / 2], computed in
// float32 in the order of operations of transformers' modeling_rope_utils.py.
std::vector<float> RopeInverseFrequencies(const ModelConfig& config);

}  // namespace rwku::engine
