// The tiny model's tokenizer: byte-level BPE trained on the world's documents, with a chat template
// in Llama-3's style.
#pragma once

#include <cstdint>
#include <filesystem>

#include "absl/status/status.h"

#include "tools/synth/world.h"

namespace rwku::synth {

// Writes tokenizer.json, tokenizer_config.json and generation_config.json into `folder`, which must
// exist.
absl::Status WriteTinyTokenizer(const World& world, uint64_t seed, int vocabulary_size,
                                const std::filesystem::path& folder);

}  // namespace rwku::synth
