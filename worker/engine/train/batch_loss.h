// What the losses of this folder have in common: each runs one pack forwards and backwards, adds to
// the gradients, and returns the pack's share of the step's loss, a float64 scalar on the model's
// device. A sequence without a label counts as one with NLL 0.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace rwku::engine {

// The whole batch that a pack is a part of; losses are means over it.
struct BatchScale {
  int64_t items = 0;      // texts, chats or pairs
  int64_t labelled = 0;   // tokens
  int64_t positions = 0;  // tokens but each sequence's last
  // What the batch's loss is multiplied by: its weight, and its share of the step.
  double weight = 1;
};

// What the original model says about a pack.
struct PackReference {
  std::vector<double> nll;  // of each sequence, summed over its labels
  at::Tensor states;        // [N, hidden]; which, the loss says
  at::Tensor head;          // [vocab, hidden], in the dtype of weights
};

}  // namespace rwku::engine
