// Trains the tokenizer of a small model: byte-level BPE with Llama-3's split pattern.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace rwku::text {

struct BpeOptions {
  int vocabulary_size = 2048;               // with special tokens; fewer where the texts run out
  std::vector<std::string> special_tokens;  // ids 0, 1, ...
  std::string bos;  // a special token that encoding with special tokens puts in front, or empty
  uint64_t min_frequency = 2;  // of a merged pair
};

// The contents of tokenizer.json; equal arguments give equal bytes. INVALID_ARGUMENT when the
// vocabulary has no room for the 256 bytes and the special tokens, or `bos` is none of these.
absl::StatusOr<std::string> TrainByteLevelBpe(absl::Span<const std::string> texts,
                                              const BpeOptions& options);

}  // namespace rwku::text
