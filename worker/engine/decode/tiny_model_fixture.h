// A model of random weights small enough for unit tests, sequences for it that share much, and
// passes through a runner by hand.
#pragma once

#include <cstdint>
#include <vector>

#include "base/cancel.h"
#include "base/random.h"
#include "worker/engine/decode/runner.h"
#include "worker/engine/model/model_config.h"

namespace rwku::engine {

inline ModelConfig TinyConfig() {
  ModelConfig config;
  config.hidden_size = 32;
  config.intermediate_size = 48;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 16;
  config.vocab_size = 50;
  return config;
}

// `count` sequences of up to about 100 tokens below 50: few beginnings, nested, with short ends;
// the last two are equal.
inline std::vector<std::vector<int32_t>> FewShotSequences(size_t count) {
  Random random(1, "few-shot sequences");
  const auto extend = [&](std::vector<int32_t> sequence, size_t tokens) {
    for (size_t i = 0; i < tokens; ++i) {
      sequence.push_back(static_cast<int32_t>(random.Below(50)));
    }
    return sequence;
  };
  const std::vector<int32_t> outer = extend({}, 61);
  const std::vector<std::vector<int32_t>> beginnings = {outer, extend(outer, 20), extend(outer, 9),
                                                        extend({}, 33)};
  std::vector<std::vector<int32_t>> sequences;
  for (size_t i = 0; i + 1 < count; ++i) {
    sequences.push_back(extend(beginnings[i % beginnings.size()], 1 + random.Below(12)));
  }
  sequences.push_back(sequences.back());
  return sequences;
}

// The hidden states of `tokens` from `first_wanted` on, after what `cache` holds: [rows, hidden].
inline std::vector<float> HiddenAfter(Runner& runner, KvCache& cache,
                                      absl::Span<const int32_t> tokens, size_t first_wanted) {
  const CancelToken never;
  return runner.ToHost(**runner.Forward({{&cache, tokens, first_wanted}}, never));
}

// The logits after each of `tokens` from `first_wanted` on, computed alone: [rows, vocab].
inline std::vector<float> LogitsOf(Runner& runner, absl::Span<const int32_t> tokens,
                                   size_t first_wanted) {
  const CancelToken never;
  const auto cache = runner.NewCache(static_cast<int64_t>(tokens.size()));
  const auto rows = *runner.Forward({{cache.get(), tokens, first_wanted}}, never);
  return runner.Logits(AllOf(*rows));
}

}  // namespace rwku::engine
