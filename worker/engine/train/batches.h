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

// The parts of a step's batches that are rank's, one a batch, maybe empty: of the step's items, in
// their order, those at places rank, rank + world_size, ... and their retain texts. Counted over
// the step, every rank has work where there are as many items in it, however small its batches are.
StepBatches ShareOf(const StepBatches& batches, int rank, int world_size);

}  // namespace rwku::engine
