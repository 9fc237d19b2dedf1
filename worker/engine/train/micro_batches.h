// The packs that a batch passes through the model as.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include <ATen/core/Tensor.h>

#include "worker/engine/train/batch_loss.h"
#include "worker/engine/train/corpus.h"
#include "worker/engine/train/pack.h"

namespace rwku::engine {

// Sequences that train and what the original model says about each; empty where nobody asks.
struct ReferencedCorpus {
  TrainingCorpus corpus;
  std::vector<double> nll;         // of each sequence
  std::vector<at::Tensor> states;  // of each sequence, on the host
  at::Tensor head;                 // with states that go through it
};

struct MicroBatch {
  LabelledPack pack;
  PackReference reference;
};

// The pack of `items` on `device`.
MicroBatch PackItems(const ReferencedCorpus& corpus, absl::Span<const int> items,
                     at::Device device);

// Counts over all of `items`, a whole batch.
BatchScale ScaleOf(const TrainingCorpus& corpus, absl::Span<const int> items, double weight);

// Tokens of the sequences of `items`, labelled or not.
int64_t TokensOf(const TrainingCorpus& corpus, absl::Span<const int> items);

// Whether a label of an item is predicted from more than one token.
bool Attends(const TrainingCorpus& corpus, absl::Span<const int> items);

}  // namespace rwku::engine
