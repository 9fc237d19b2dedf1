// The architectures that the engine runs, and what tells them apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rwku::engine {

// Entries of config.json's layer_types.
inline constexpr char kFullAttention[] = "full_attention";
inline constexpr char kWindowedAttention[] = "sliding_attention";

// Defaults are those of transformers' configuration class, for fields that config.json leaves out.
struct Family {
  const char* model_type = "";    // of config.json
  const char* architecture = "";  // the class of transformers
  bool has_qkv_bias = false;      // q_proj, k_proj and v_proj have biases
  // One qkv_proj in place of q_proj, k_proj and v_proj, one gate_up_proj in place of gate_proj and
  // up_proj; the rows of the parts follow one another.
  bool has_fused_projections = false;
  int64_t max_position_embeddings = 0;
  double rms_norm_eps = 0;
  // nullopt: as many as num_attention_heads.
  std::optional<int64_t> num_key_value_heads = std::nullopt;
  std::optional<int64_t> sliding_window = std::nullopt;
};

// nullptr where no family has this model_type.
const Family* FindFamily(absl::string_view model_type);

// Every model_type, in alphabetical order.
std::vector<std::string> FamilyNames();

}  // namespace rwku::engine
