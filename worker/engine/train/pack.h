// Sequences that pass through the model together, without padding.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/types/span.h"
#include <ATen/core/Tensor.h>

#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/corpus.h"

namespace rwku::engine {

struct LabelledPack {
  // `states` of the model's, as a loss of this pack sees them.
  at::Tensor Through(const at::Tensor& states) const {
    return on_states ? on_states(states) : states;
  }

  PackedSequences input;
  at::Tensor positions;       // [N] int64, into the packed tokens, that predict a label
  at::Tensor targets;         // [N] int64
  std::vector<int64_t> ends;  // sequence i's labels end here (and begin where i - 1's end)
  // What the model's states pass through on their way to a loss; equal in value. Where it is set,
  // the backward pass goes through it, too.
  std::function<at::Tensor(const at::Tensor&)> on_states = nullptr;
};

LabelledPack PackSequences(absl::Span<const TrainingSequence* const> sequences, at::Device device);

// Packed positions [M] int64 of all tokens but each sequence's last.
at::Tensor AllButLast(const PackedSequences& input);

}  // namespace rwku::engine
