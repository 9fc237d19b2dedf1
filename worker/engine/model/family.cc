#include "worker/engine/model/family.h"

namespace rwku::engine {

namespace {

constexpr Family kFamilies[] = {
    {.model_type = "llama",
     .architecture = "LlamaForCausalLM",
     .max_position_embeddings = 2048,
     .rms_norm_eps = 1e-6},
    {.model_type = "mistral",
     .architecture = "MistralForCausalLM",
     .max_position_embeddings = 131072,
     .rms_norm_eps = 1e-6,
     .num_key_value_heads = 8,
     .sliding_window = 4096},
    {.model_type = "phi3",
     .architecture = "Phi3ForCausalLM",
     .has_fused_projections = true,
     .max_position_embeddings = 4096,
     .rms_norm_eps = 1e-5},
    {.model_type = "qwen2",
     .architecture = "Qwen2ForCausalLM",
     .has_qkv_bias = true,
     .max_position_embeddings = 32768,
     .rms_norm_eps = 1e-6,
     .num_key_value_heads = 32,
     .sliding_window = 4096},
};

}  // namespace

const Family* FindFamily(absl::string_view model_type) {
  for (const Family& family : kFamilies) {
    if (family.model_type == model_type) {
      return &family;
    }
  }
  return nullptr;
}

std::vector<std::string> FamilyNames() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) {
    names.emplace_back(family.model_type);
  }
  return names;
}

}  // namespace rwku::engine
