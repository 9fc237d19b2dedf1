#include "worker/engine/train/batches.h"

#include <algorithm>
#include <optional>

#include "base/random.h"
#include "worker/engine/train/retain_stream.h"

namespace rwku::engine {
namespace {

std::vector<int> EveryOther(const std::vector<int>& values, size_t first, size_t stride) {
  std::vector<int> own;
  for (size_t i = first; i < values.size(); i += stride) {
    own.push_back(values[i]);
  }
  return own;
}

}  // namespace

std::vector<std::vector<StepBatches>> PlanBatches(const TrainingPlan& plan, int items,
                                                  int retain_texts) {
  std::optional<RetainStream> retain;
  if (retain_texts > 0) {
    retain.emplace(plan.seed, retain_texts);
  }
  std::vector<std::vector<StepBatches>> epochs;
  for (int epoch = 0; epoch < plan.epochs; ++epoch) {
    const std::vector<int> order = EpochOrder(plan.seed, epoch, items);
    std::vector<StepBatches>& steps = epochs.emplace_back();
    for (int done = 0; done < items;) {
      if (steps.empty() || static_cast<int>(steps.back().size()) == plan.accumulation) {
        steps.emplace_back();
      }
      const int size = std::min(plan.batch_size, items - done);
      Batch& batch = steps.back().emplace_back();
      batch.items.assign(order.begin() + done, order.begin() + done + size);
      if (retain.has_value()) {
        batch.retain = retain->Take(size);
      }
      done += size;
    }
  }
  return epochs;
}

StepBatches ShareOf(const StepBatches& batches, int rank, int world_size) {
  const auto stride = static_cast<size_t>(world_size);
  auto next = static_cast<size_t>(rank);  // of this rank's, from the begin of the batch
  StepBatches own;
  own.reserve(batches.size());
  for (const Batch& batch : batches) {
    own.push_back({EveryOther(batch.items, next, stride), EveryOther(batch.retain, next, stride)});
    const size_t taken = own.back().items.size();
    next = next + taken * stride - batch.items.size();
  }
  return own;
}

}  // namespace rwku::engine
