// Sequences that pass through the model together, without padding.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include <ATen/core/Tensor.h>

#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/corpus.h"

namespace rwku::engine {

struct LabelledPack {
  PackedSequences input;
  at::Tensor positions;       // [N] int64, into the packed tokens, that predict a label
  at::Tensor targets;         // [N] int64
  std::vector<int64_t> ends;  // sequence i's labels end here (and begin where i - 1's end)
};

LabelledPack PackSequences(absl::Span<const TrainingSequence* const> sequences, at::Device device);

// Packed positions [M] int64 of all tokens but each sequence's last.
at::Tensor AllButLast(const PackedSequences& input);

}  // namespace rwku::engine
