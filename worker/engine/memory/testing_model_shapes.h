// Shapes of models that the benchmark is run with, as their config.json has them, without what no
// figure of memory depends on.
#pragma once

#include <cstdint>

#include "worker/engine/model/model_config.h"

namespace rwku::engine {

inline ModelConfig TestingShape(const char* model_type, int64_t hidden, int64_t inner,
                                int64_t layers, int64_t heads, int64_t kv_heads, int64_t vocabulary,
                                bool tied) {
  ModelConfig config;
  config.model_type = model_type;
  config.hidden_size = hidden;
  config.intermediate_size = inner;
  config.num_hidden_layers = layers;
  config.num_attention_heads = heads;
  config.num_key_value_heads = kv_heads;
  config.head_dim = hidden / heads;
  config.vocab_size = vocabulary;
  config.tie_word_embeddings = tied;
  config.torch_dtype = "bfloat16";
  return config;
}

// Meta-Llama-3-8B-Instruct.
inline ModelConfig Llama8B() {
  return TestingShape("llama", 4096, 14336, 32, 32, 8, 128256, false);
}

// Phi-3-mini-4k-instruct.
inline ModelConfig Phi3Mini() { return TestingShape("phi3", 3072, 8192, 32, 32, 32, 32064, false); }

// Llama-3.2-1B-Instruct.
inline ModelConfig Llama1B() { return TestingShape("llama", 2048, 8192, 16, 32, 8, 128256, true); }

// SmolLM2-135M-Instruct.
inline ModelConfig SmolLm135M() { return TestingShape("llama", 576, 1536, 30, 9, 3, 49152, true); }

}  // namespace rwku::engine
