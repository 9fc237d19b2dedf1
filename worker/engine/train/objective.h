// What a batch of texts loses, as derivatives by each labelled token's NLL.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/engine/engine.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/corpus.h"

namespace rwku::engine {

// The part of a batch's loss that a pack of its texts carries, in the scale of the whole batch.
struct BatchScale {
  int64_t texts = 0;     // of the whole batch
  int64_t labelled = 0;  // tokens of the whole batch
  double share = 1;      // of the batch in its step: 1 / batches of the step
};

// Runs one pack forwards and backwards, adding to the gradients; returns the pack's share of the
// step's loss, a float64 scalar on the model's device. `reference_nll` holds, for kNpo, each text's
// summed NLL under the reference.
at::Tensor BackwardPack(const CausalLm& model, const LabelledPack& pack, Objective objective,
                        double beta, const std::vector<double>& reference_nll,
                        const BatchScale& scale);

// The summed NLL of each text of the pack, without gradients.
std::vector<double> TextNll(const CausalLm& model, const LabelledPack& pack);

}  // namespace rwku::engine
