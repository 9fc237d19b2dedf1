#include "worker/engine/memory/host_needs.h"

#include <algorithm>

#include "worker/engine/memory/model_size.h"

namespace rwku::engine {
namespace {

constexpr int64_t kFloatBytes = 4;

// A worker without a model, its dataset and tokenizer read; allowances. A process that uses a GPU
// holds the driver's and the libraries' host side as well.
constexpr int64_t kCpuBaseBytes = int64_t{512} << 20;
constexpr int64_t kGpuBaseBytes = int64_t{4} << 30;

int64_t StoredBytes(const ModelConfig& config) {
  return config.torch_dtype == "bfloat16" || config.torch_dtype == "float16" ? 2 : kFloatBytes;
}

// Tokens whose states under the original weights are kept.
int64_t ReferenceTokens(const TrainingPlan& plan, const HostFacts& host) {
  const bool of_retain =
      plan.retain.term == RetainTerm::kKl || plan.retain.term == RetainTerm::kHidden;
  return (plan.objective == Objective::kUndial ? host.forget_tokens : 0) +
         (of_retain ? host.retain_tokens : 0);
}

}  // namespace

int64_t HostOptimizerBytes(const TrainingPlan& plan, const TrainingFacts& facts) {
  if (!plan.optimizer_on_host || !facts.on_gpu) {
    return 0;
  }
  const int ranks = plan.shard_optimizer_state ? facts.ranks : 1;
  return 3 * kFloatBytes * LargestShare(plan, facts.config, ranks);
}

HostNeeds PlanHostMemory(const TrainingPlan& plan, const TrainingFacts& facts,
                         const MemoryPlan& needs, const HostFacts& host) {
  const int64_t parameters = facts.config.ParameterCount();
  HostNeeds result;
  result.base_bytes = facts.on_gpu ? kGpuBaseBytes : kCpuBaseBytes;
  result.pristine_bytes = StoredBytes(facts.config) * parameters;
  result.reference_bytes = kFloatBytes * facts.config.hidden_size * ReferenceTokens(plan, host);
  result.optimizer_bytes = HostOptimizerBytes(plan, facts);
  if (!facts.on_gpu) {
    result.training_bytes = TotalBytes(needs);
    result.answering_bytes = int64_t{2} * facts.compute_bytes * parameters + host.answering_bytes;
  }
  result.total_bytes = result.base_bytes + result.pristine_bytes + result.reference_bytes +
                       result.optimizer_bytes +
                       std::max(result.training_bytes, result.answering_bytes);
  return result;
}

}  // namespace rwku::engine
