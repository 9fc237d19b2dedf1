#include "worker/engine/train/micro_batches.h"

#include <algorithm>

#include <ATen/ops/cat.h>

#include "worker/engine/model/to_device.h"

namespace rwku::engine {
namespace {

template <typename Fn>
void ForEachSequence(const TrainingCorpus& corpus, absl::Span<const int> items, const Fn& fn) {
  for (const int item : items) {
    for (int i = 0; i < corpus.sequences_per_item; ++i) {
      fn(static_cast<size_t>(item * corpus.sequences_per_item + i));
    }
  }
}

}  // namespace

MicroBatch PackItems(const ReferencedCorpus& corpus, absl::Span<const int> items,
                     at::Device device) {
  std::vector<const TrainingSequence*> sequences;
  std::vector<at::Tensor> states;
  MicroBatch batch;
  ForEachSequence(corpus.corpus, items, [&](size_t index) {
    sequences.push_back(&corpus.corpus.sequences[index]);
    if (!corpus.nll.empty()) {
      batch.reference.nll.push_back(corpus.nll[index]);
    }
    if (!corpus.states.empty()) {
      states.push_back(corpus.states[index]);
    }
  });
  batch.pack = PackSequences(sequences, device);
  if (!states.empty()) {
    batch.reference.states = ToDevice(at::cat(states), device);
  }
  batch.reference.head = corpus.head;
  return batch;
}

BatchScale ScaleOf(const TrainingCorpus& corpus, absl::Span<const int> items, double weight) {
  BatchScale scale;
  scale.items = static_cast<int64_t>(items.size());
  scale.weight = weight;
  ForEachSequence(corpus, items, [&](size_t index) {
    const TrainingSequence& sequence = corpus.sequences[index];
    scale.labelled += sequence.Labelled();
    scale.positions += static_cast<int64_t>(sequence.tokens.size()) - 1;
  });
  return scale;
}

int64_t TokensOf(const TrainingCorpus& corpus, absl::Span<const int> items) {
  int64_t tokens = 0;
  ForEachSequence(corpus, items, [&](size_t index) {
    tokens += static_cast<int64_t>(corpus.sequences[index].tokens.size());
  });
  return tokens;
}

bool Attends(const TrainingCorpus& corpus, absl::Span<const int> items) {
  bool attends = false;
  ForEachSequence(corpus, items, [&](size_t index) {
    const std::vector<bool>& is_label = corpus.sequences[index].is_label;
    attends = attends || std::find(is_label.begin() + std::min<size_t>(2, is_label.size()),
                                   is_label.end(), true) != is_label.end();
  });
  return attends;
}

}  // namespace rwku::engine
