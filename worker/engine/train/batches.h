// Which items make which batch, and which of them are a rank's own.
#pragma once

#include <vector>

#include "worker/engine/engine.h"

namespace rwku::engine {

// A batch of forget items and the retain texts that go with them, by number in their corpora.
struct Batch {
  std::vector<int> items;
  std::vector<int> retain;  // one an item, or empty
};

// The batches of one optimizer step.
using StepBatches = std::vector<Batch>;

// The steps of every epoch: `items` forget items in EpochOrder, and with `retain_texts` above 0 the
// retain texts of their stream.
std::vector<std::vector<StepBatches>> PlanBatches(const TrainingPlan& plan, int items,
                                                  int retain_texts);

// The part of `batch` that is rank's: items at places rank, rank + world_size, ... and their retain
// texts. May be empty.
Batch ShareOf(const Batch& batch, int rank, int world_size);

}  // namespace rwku::engine
