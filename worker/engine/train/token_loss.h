// The head and the cross-entropy, together and in chunks: logits exist for the labelled positions
// of one chunk at a time, and their gradient takes their place.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

// dL/dNLL of labelled positions [begin, begin + n), from their NLLs [n] float32: [n] float32.
using LossWeights = std::function<at::Tensor(int64_t begin, const at::Tensor& nll)>;

// Turns a chunk's logits [n, vocab] float32, those of rows [begin, begin + n), into the loss's
// derivatives by them, in place.
using LogitGradient = std::function<void(int64_t begin, at::Tensor& logits)>;

// Rows whose logits make a chunk of a size that the device handles well.
int64_t LogitChunkRows(const CausalLm& model);

// Ends of chunks of LogitChunkRows of `count` rows; ascending, the last is `count`.
std::vector<int64_t> ChunkEnds(const CausalLm& model, int64_t count);

// As ChunkEnds, but no chunk splits a group: rows [group_ends[i - 1], group_ends[i]) stay together,
// however many they are. `group_ends` is ascending; empty groups are allowed.
std::vector<int64_t> WholeGroupChunkEnds(const CausalLm& model,
                                         const std::vector<int64_t>& group_ends);

// Negative log-likelihoods [N] float32 of `targets` [N] int64 after `hidden` [N, hidden]; no
// gradients.
at::Tensor TokenNll(const CausalLm& model, const at::Tensor& hidden, const at::Tensor& targets);

// Backpropagates a loss of logits through the head and into what `hidden` [N, hidden] came from.
// Adds to the head's gradient if it wants one. `gradient` is asked once per chunk, in order, so it
// can add up the loss as it goes.
void BackwardThroughLogits(const CausalLm& model, const at::Tensor& hidden,
                           const std::vector<int64_t>& chunk_ends, const LogitGradient& gradient);

// The same for a loss whose derivatives by each position's NLL `weights` gives.
void BackwardThroughHead(const CausalLm& model, const at::Tensor& hidden, const at::Tensor& targets,
                         const std::vector<int64_t>& chunk_ends, const LossWeights& weights);

}  // namespace rwku::engine
