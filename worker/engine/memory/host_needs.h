// What a worker needs of the host's memory.
#pragma once

#include <cstdint>

#include "worker/engine/memory/training_memory.h"

namespace rwku::engine {

struct HostFacts {
  // Keys and values in use together, and the rest of a pass, where answering runs on the processor;
  // of a GPU they are the device's.
  int64_t answering_bytes = 0;
  // Tokens of all forget and of all retain texts, for losses that keep the original's states of
  // them.
  int64_t forget_tokens = 0;
  int64_t retain_tokens = 0;
};

// In bytes. What lies on a GPU is not among them.
struct HostNeeds {
  int64_t base_bytes = 0;       // the process, its libraries and dataset; on a GPU the context's
  int64_t pristine_bytes = 0;   // the weights as stored, to restore from; pinned for a GPU
  int64_t reference_bytes = 0;  // the original's states of the texts, in float32
  int64_t optimizer_bytes = 0;  // pinned float32 weights and moments
  int64_t training_bytes = 0;   // of the processor as the device: all of its plan
  int64_t answering_bytes =
      0;  // the same: weights, their copy as the kernels want it, keys, values
  // At once: a training and answering follow one another. Files that are read stay in the kernel's
  // cache only while there is room, and are not counted.
  int64_t total_bytes = 0;
};

// For `plan` and its memory on the device, `needs`. The weights are stored as config.torch_dtype
// says. A plan of a model that is only asked has no items: pass a MemoryPlan of zeros.
HostNeeds PlanHostMemory(const TrainingPlan& plan, const TrainingFacts& facts,
                         const MemoryPlan& needs, const HostFacts& host);

// Float32 weights and moments of this rank, for TrainingFacts::optimizer_on_host.
int64_t HostOptimizerBytes(const TrainingPlan& plan, const TrainingFacts& facts);

}  // namespace rwku::engine
