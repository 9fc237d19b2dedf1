#include <nlohmann/json.hpp>

#include "worker/engine/model/family.h"
#include "worker/engine/model/model_config.h"

namespace rwku::engine {

namespace {

void WriteRope(const ModelConfig& config, nlohmann::ordered_json& out) {
  const RopeScaling& scaling = config.rope_scaling;
  switch (scaling.type) {
    case RopeScalingType::kNone:
      out["rope_scaling"] = nullptr;
      break;
    case RopeScalingType::kLinear:
      out["rope_scaling"] = {{"rope_type", "linear"}, {"factor", scaling.factor}};
      break;
    case RopeScalingType::kLlama3:
      out["rope_scaling"] = {
          {"rope_type", "llama3"},
          {"factor", scaling.factor},
          {"low_freq_factor", scaling.low_freq_factor},
          {"high_freq_factor", scaling.high_freq_factor},
          {"original_max_position_embeddings", scaling.original_max_position_embeddings}};
      break;
    case RopeScalingType::kLongRope:
      out["rope_scaling"] = {{"type", "longrope"},
                             {"short_factor", scaling.short_factor},
                             {"long_factor", scaling.long_factor}};
      out["original_max_position_embeddings"] = scaling.original_max_position_embeddings;
      break;
  }
}

void WriteWindow(const ModelConfig& config, nlohmann::ordered_json& out) {
  if (config.model_type == "llama") {
    return;
  }
  out["sliding_window"] =
      config.sliding_window ? nlohmann::ordered_json(*config.sliding_window) : nullptr;
  if (config.model_type != "qwen2") {
    return;
  }
  out["use_sliding_window"] = config.sliding_window.has_value();
  auto types = nlohmann::ordered_json::array();
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    types.push_back(config.Window(layer) > 0 ? kWindowedAttention : kFullAttention);
  }
  out["layer_types"] = types;
}

}  // namespace

std::string ModelConfigToJson(const ModelConfig& config) {
  nlohmann::ordered_json out;
  const Family* const family = FindFamily(config.model_type);
  out["architectures"] = nlohmann::ordered_json::array();
  if (family != nullptr) {
    out["architectures"].push_back(family->architecture);
  }
  out["model_type"] = config.model_type;
  out["hidden_size"] = config.hidden_size;
  out["intermediate_size"] = config.intermediate_size;
  out["num_hidden_layers"] = config.num_hidden_layers;
  out["num_attention_heads"] = config.num_attention_heads;
  out["num_key_value_heads"] = config.num_key_value_heads;
  out["head_dim"] = config.head_dim;
  out["vocab_size"] = config.vocab_size;
  out["max_position_embeddings"] = config.max_position_embeddings;
  out["rms_norm_eps"] = config.rms_norm_eps;
  out["rope_theta"] = config.rope_theta;
  WriteRope(config, out);
  WriteWindow(config, out);
  out["tie_word_embeddings"] = config.tie_word_embeddings;
  if (config.model_type == "llama") {
    out["attention_bias"] = false;
    out["mlp_bias"] = false;
  }
  out["hidden_act"] = "silu";
  if (config.bos_token_id) {
    out["bos_token_id"] = *config.bos_token_id;
  }
  if (config.eos_token_ids.size() == 1) {
    out["eos_token_id"] = config.eos_token_ids[0];
  } else if (!config.eos_token_ids.empty()) {
    out["eos_token_id"] = config.eos_token_ids;
  }
  // Phi-3's default lies beyond a small vocabulary.
  out["pad_token_id"] = nullptr;
  out["torch_dtype"] = config.torch_dtype;
  return out.dump(2) + "\n";
}

}  // namespace rwku::engine
