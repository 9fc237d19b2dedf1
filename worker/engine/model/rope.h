// Rotary position embedding: the angles of positions, in the order of operations of transformers'
// modeling_rope_utils.py, in float32.
#pragma once

#include <cstdint>
#include <vector>

#include "worker/engine/model/model_config.h"

namespace rwku::engine {

// Whether a sequence of `length` tokens takes the long factors of a longrope model: where it is
// longer than rope_scaling.original_max_position_embeddings. False for every other model.
bool UsesLongRope(const ModelConfig& config, int64_t length);

// The angles per position, one for each pair of dimensions: [head_dim / 2]. `is_long` as
// UsesLongRope says.
std::vector<float> RopeInverseFrequencies(const ModelConfig& config, bool is_long = false);

// What cosines and sines are multiplied by: 1, or for longrope with f = max_position_embeddings /
// original_max_position_embeddings above 1, sqrt(1 + ln f / ln original_max_position_embeddings)
// (Ding et al., LongRoPE, 2024).
double RopeAttentionFactor(const ModelConfig& config);

}  // namespace rwku::engine
