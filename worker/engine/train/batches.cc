#include "worker/engine/train/batches.h"

#include <algorithm>
#include <optional>

#include "base/random.h"
#include "worker/engine/train/retain_stream.h"

namespace rwku::engine {
namespace {

std::vector<int> EveryOther(const std::vector<int>& values, int first, int stride) {
  std::vector<int> own;
  for (auto i = static_cast<size_t>(first); i < values.size(); i += static_cast<size_t>(stride)) {
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

Batch ShareOf(const Batch& batch, int rank, int world_size) {
  return {EveryOther(batch.items, rank, world_size), EveryOther(batch.retain, rank, world_size)};
}

}  // namespace rwku::engine
