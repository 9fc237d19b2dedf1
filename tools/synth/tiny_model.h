// The tiny model of the synthetic benchmark: its tokenizer, its shape, and its training from
// scratch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "absl/status/status.h"

#include "tools/synth/world.h"

namespace rwku::synth {

struct TinyModelOptions {
  uint64_t seed = 0;  // of the weights and the documents; the world has its own
  int steps = 1800;   // optimizer steps of 1,024 tokens each
  int threads = 2;
  int vocabulary_size = 2048;
};

struct TinyModelProgress {
  int step = 0;
  int steps = 0;
  double loss = 0;  // mean over the steps since the last report
};

// Trains a tokenizer and a 1-million-parameter Llama on documents about `world` and writes a model
// folder as the hub has them: config.json, model.safetensors, tokenizer.json,
// tokenizer_config.json, generation_config.json. The folder must not exist; it appears whole or not
// at all. Equal arguments give equal bytes on the same kind of processor.
absl::Status MakeTinyModel(const World& world, const TinyModelOptions& options,
                           const std::function<void(const TinyModelProgress&)>& on_progress,
                           const std::filesystem::path& folder);

}  // namespace rwku::synth
