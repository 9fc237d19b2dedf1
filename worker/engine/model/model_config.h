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

enum class RopeScalingType { kNone, kLinear, kLlama3, kLongRope };

struct RopeScaling {
  RopeScalingType type = RopeScalingType::kNone;
  double factor = 1;  // kLinear and kLlama3
  // kLlama3 only.
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  int64_t original_max_position_embeddings = 8192;  // kLlama3 and kLongRope
  // kLongRope only, [head_dim / 2] each: what the frequencies are divided by in sequences of at
  // most original_max_position_embeddings tokens, and in longer ones.
  std::vector<double> short_factor = {};
  std::vector<double> long_factor = {};
};

struct ModelConfig {
  std::string model_type = "llama";  // of a family of family.h
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
  // Keys that a query of a windowed layer sees, its own among them; nullopt: no layer is windowed.
  std::optional<int64_t> sliding_window;
  // Which layers are windowed, one entry a layer; empty: all, where there is a window.
  std::vector<bool> windowed_layers;
  bool tie_word_embeddings = false;
  std::optional<int64_t> bos_token_id;
  std::vector<int64_t> eos_token_ids;
  std::string torch_dtype = "float32";  // as stored; the engine keeps float32

  int64_t ParameterCount() const;

  // Keys that a query of `layer` sees, its own among them; 0: all before it.
  int64_t Window(int64_t layer) const;

  bool HasQkvBias() const;
  bool HasFusedProjections() const;
};

// OK when every field lies in its range and the fields fit together; INVALID_ARGUMENT names `file`,
// the field, what was found and what is allowed.
absl::Status ValidateModelConfig(const ModelConfig& config, absl::string_view file);

// INVALID_ARGUMENT names `file`, the field and what is allowed; an unknown model_type lists what is
// supported. Refused is what no published model of the families has: biases other than qwen2's own
// (attention_bias, mlp_bias), activations other than silu, partial rotary factors other than 1,
// layer_types of other families than qwen2, other scalings than linear and llama3, and for phi3
// other than longrope.
absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view contents, absl::string_view file);

// Reads `folder`/config.json.
absl::StatusOr<ModelConfig> LoadModelConfig(const std::filesystem::path& folder);

// config.json as transformers reads it.
std::string ModelConfigToJson(const ModelConfig& config);

}  // namespace rwku::engine
