#include "worker/engine/memory/training_memory.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "base/status_macros.h"
#include "worker/engine/memory/device_overhead.h"
#include "worker/engine/memory/host_needs.h"
#include "worker/engine/memory/logit_chunk.h"
#include "worker/engine/memory/model_size.h"

namespace rwku::engine {
namespace {

constexpr int64_t kFloatBytes = 4;

// Parts of the optimizer's state that are on their way to or from the host.
constexpr int64_t kHostOptimizerStagingBytes = int64_t{1} << 30;

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The sum of the largest `count`.
int64_t LargestSum(std::vector<int64_t> values, int64_t count) {
  std::sort(values.begin(), values.end(), std::greater<>());
  const auto taken = std::min(count, static_cast<int64_t>(values.size()));
  return std::accumulate(values.begin(), values.begin() + taken, int64_t{0});
}

bool IsNarrow(const TrainingFacts& facts) { return facts.compute_bytes < kFloatBytes; }

bool ShardsState(const TrainingPlan& plan, const TrainingFacts& facts) {
  return plan.shard_optimizer_state && facts.ranks > 1;
}

// Whether the original's logits are made again beside the present ones.
bool HasReferenceLogits(const TrainingPlan& plan) {
  return plan.objective == Objective::kUndial || plan.retain.term == RetainTerm::kKl;
}

// Whether logits are compared with another distribution.
bool ComparesDistributions(const TrainingPlan& plan) {
  return HasReferenceLogits(plan) || plan.objective == Objective::kCeu;
}

// What a layer keeps of a token for its backward pass. `trains`: its own weights want gradients.
int64_t LayerBytes(const TrainingPlan& plan, const TrainingFacts& facts, bool trains) {
  const ModelConfig& config = facts.config;
  const int64_t hidden = config.hidden_size;
  const int64_t inner = config.intermediate_size;
  const int64_t queries = config.num_attention_heads * config.head_dim;
  const int64_t keys = config.num_key_value_heads * config.head_dim;
  const auto kept = [&](std::initializer_list<absl::string_view> projections) {
    return trains || std::any_of(projections.begin(), projections.end(),
                                 [&](absl::string_view name) { return HasAdapter(plan, name); });
  };
  // Rotated queries and keys, values, and what attention gives, which is also the next product's
  // input. A joined projection keeps all of its output for the sake of the values.
  int64_t elements = 2 * queries + 2 * keys + (config.HasFusedProjections() ? queries + keys : 0);
  // The processor's attention works a sequence at a time; its outputs are joined to a copy.
  elements += facts.on_gpu ? 0 : queries;
  // The gate, its silu and what the silu is multiplied by.
  elements += 3 * inner;
  // Inputs of products are kept for the gradients of their weights alone: the two normalised
  // states, and the product of gate and up.
  elements += kept({"q_proj", "k_proj", "v_proj", "qkv_proj"}) ? hidden : 0;
  elements += kept({"gate_proj", "up_proj", "gate_up_proj"}) ? hidden : 0;
  elements += kept({"down_proj"}) ? inner : 0;
  // A norm that trains keeps its states before the multiplication by the weight, too.
  elements += trains && !facts.on_gpu ? 2 * hidden : 0;
  // The residual stream before each norm, in float32 as under transformers' autocast; of a norm
  // its scale, of attention a sum for each head.
  return facts.compute_bytes * elements +
         kFloatBytes * (2 * hidden + 2 + config.num_attention_heads);
}

struct LayerCounts {
  int64_t trained = 0;  // whose weights want gradients
  int64_t passed = 0;   // that gradients pass through on their way to others or to adapters
};

LayerCounts CountLayers(const TrainingPlan& plan, const ModelConfig& config) {
  const int64_t end = LayersBelowLoss(plan, config);
  const int64_t first = plan.layers.has_value() ? std::min<int64_t>(plan.layers->begin, end) : 0;
  if (plan.trained == TrainedWeights::kLora) {
    return {0, end - first};
  }
  const int64_t last = plan.layers.has_value() ? std::min<int64_t>(plan.layers->end, end) : end;
  return {last - first, end - last};
}

// What exists of a token beside what is kept: at its widest the gradients of one layer's inner
// activations and of the residual stream, the states that the losses take and the original's.
int64_t PassingBytes(const TrainingPlan& plan, const TrainingFacts& facts) {
  const int64_t hidden = facts.config.hidden_size;
  const int64_t references = HasReferenceLogits(plan) ? 1 : 0;
  // The loss of a layer's output works on its differences in float32.
  const bool has_hidden_loss =
      plan.objective == Objective::kRmu || plan.retain.term == RetainTerm::kHidden;
  return facts.compute_bytes * (4 * facts.config.intermediate_size + (4 + references) * hidden) +
         kFloatBytes * (has_hidden_loss ? 6 : 4) * hidden;
}

int64_t LogitBytes(const TrainingPlan& plan, const TrainingFacts& facts, int64_t tokens) {
  if (LayersBelowLoss(plan, facts.config) < facts.config.num_hidden_layers) {
    return 0;
  }
  const bool keeps_items_whole = plan.objective == Objective::kDpo ||
                                 plan.objective == Objective::kNpo ||
                                 plan.objective == Objective::kSimNpo;
  const int64_t whole = keeps_items_whole ? LargestSum(facts.item_tokens, 1) : 0;
  const int64_t chunk = LogitChunkRows(facts.on_gpu, facts.config.vocab_size);
  const int64_t rows = std::min(tokens, std::max(chunk, whole));
  // Logits, and what a product made of them in the narrow type.
  int64_t element = kFloatBytes + (IsNarrow(facts) ? facts.compute_bytes : 0);
  if (ComparesDistributions(plan)) {
    // Both logarithms, the other's probabilities, their gap, the products and their sum's double.
    element += 7 * kFloatBytes;
  }
  return rows * facts.config.vocab_size * element;
}

int64_t WorkspaceBytes(const TrainingPlan& plan, const TrainingFacts& facts,
                       const MemoryPlan& needed) {
  int64_t bytes = 0;
  if (plan.trained == TrainedWeights::kFull) {
    // A weight's gradient before it is added to the one of earlier passes, or sent to its owner.
    const ModelConfig& config = facts.config;
    const int64_t layer_weight =
        config.hidden_size * config.intermediate_size * (config.HasFusedProjections() ? 2 : 1);
    bytes += facts.compute_bytes * (plan.layers.has_value() ? layer_weight : LargestWeight(config));
  }
  if (facts.on_gpu) {
    bytes += GpuWorkspaceBytes(needed.activation_bytes + needed.logit_bytes);
    bytes += facts.optimizer_on_host ? kHostOptimizerStagingBytes : 0;
  }
  return bytes;
}

absl::Status CheckHost(const TrainingPlan& plan, const TrainingFacts& facts) {
  const int64_t needed = HostOptimizerBytes(plan, facts);
  if (needed == 0 || facts.host_available_bytes == 0 || needed <= facts.host_available_bytes) {
    return absl::OkStatus();
  }
  const std::string figures =
      absl::StrCat("the optimizer on the host needs ", needed, " bytes of its memory");
  if (facts.host_bytes > 0 && needed > facts.host_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(figures, ", which has ", facts.host_bytes, " for this process"));
  }
  return absl::ResourceExhaustedError(absl::StrCat("out of memory before the training: ", figures,
                                                   ", which has ", facts.host_available_bytes,
                                                   " left"));
}

int64_t Needed(const MemoryPlan& plan) { return TotalBytes(plan) - plan.weight_bytes; }

absl::Status DoesNotFit(const MemoryPlan& plan, const TrainingFacts& facts) {
  const int64_t overhead = facts.on_gpu ? GpuContextBytes(facts.ranks) : 0;
  const int64_t alone = TotalBytes(plan) + overhead;
  const std::string figures =
      absl::StrCat("one text or pair at a time, the longest of ", plan.micro_batch_tokens,
                   " tokens, needs ", Needed(plan), " bytes beside the ", plan.weight_bytes,
                   " of the weights (gradients ", plan.gradient_bytes, ", optimizer ",
                   plan.optimizer_bytes, ", activations ", plan.activation_bytes, ", logits ",
                   plan.logit_bytes, ", workspace ", plan.workspace_bytes, ")");
  if (facts.device_bytes > 0 && alone > facts.device_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the training does not fit on this device: ", figures, ", ", alone,
                     " with all that the device has to hold, of which it has ", facts.device_bytes,
                     "; what helps is lora or partial tuning, more ranks with a sharded optimizer, "
                     "the optimizer on the host, or a smaller cutoff"));
  }
  return absl::ResourceExhaustedError(absl::StrCat("out of memory before the training: ", figures,
                                                   ", the device has ", plan.available_bytes,
                                                   " left"));
}

}  // namespace

int64_t TotalBytes(const MemoryPlan& plan) {
  return plan.weight_bytes + plan.gradient_bytes + plan.optimizer_bytes + plan.activation_bytes +
         plan.logit_bytes + plan.workspace_bytes;
}

int64_t TokenActivationBytes(const TrainingPlan& plan, const TrainingFacts& facts) {
  const LayerCounts layers = CountLayers(plan, facts.config);
  return layers.trained * LayerBytes(plan, facts, true) +
         layers.passed * LayerBytes(plan, facts, false);
}

int64_t ResidentTrainingBytes(const TrainingPlan& plan, const TrainingFacts& facts) {
  const TrainingSize size = SizeOf(plan, facts.config);
  const bool head_trains = plan.trained == TrainedWeights::kFull && !plan.layers.has_value();
  int64_t head_copies = 0;
  if (head_trains || facts.original_is_elsewhere) {
    head_copies += plan.objective == Objective::kUndial ? 1 : 0;
    head_copies += plan.retain.term == RetainTerm::kKl ? 1 : 0;
  }
  const int64_t head = facts.config.vocab_size * facts.config.hidden_size;
  return facts.compute_bytes * (size.parameters + head_copies * head) + kFloatBytes * size.adapters;
}

int64_t AvailableForTraining(const TrainingPlan& plan, const TrainingFacts& facts,
                             int64_t device_bytes) {
  const int64_t overhead = facts.on_gpu ? GpuContextBytes(facts.ranks) : 0;
  return std::max<int64_t>(device_bytes - overhead - ResidentTrainingBytes(plan, facts), 1);
}

absl::StatusOr<ChosenMemoryPlan> PlanTrainingMemory(const TrainingPlan& plan,
                                                    const TrainingFacts& facts) {
  RWKU_RETURN_IF_ERROR(CheckHost(plan, facts));
  ChosenMemoryPlan chosen;
  MemoryPlan& needs = chosen.plan;
  const TrainingSize size = SizeOf(plan, facts.config);
  const bool trains_narrow = IsNarrow(facts) && plan.trained == TrainedWeights::kFull;
  const int64_t shares = ShardsState(plan, facts) ? facts.ranks : 1;
  needs.weight_bytes = ResidentTrainingBytes(plan, facts);
  needs.gradient_bytes =
      CeilDivide((trains_narrow ? facts.compute_bytes : kFloatBytes) * size.trained, shares);
  needs.optimizer_bytes = CeilDivide((trains_narrow ? 3 : 2) * kFloatBytes * size.trained, shares);
  if (trains_narrow && facts.optimizer_on_host) {
    needs.optimizer_bytes = 0;
  }
  needs.available_bytes = facts.available_bytes;
  const int64_t batch = std::min<int64_t>(CeilDivide(plan.batch_size, facts.ranks),
                                          static_cast<int64_t>(facts.item_tokens.size()));
  const int64_t token_bytes = TokenActivationBytes(plan, facts) + PassingBytes(plan, facts);
  for (chosen.parts = std::max(1, plan.micro_batch_parts);; chosen.parts *= 2) {
    const int64_t texts = CeilDivide(batch, chosen.parts);
    needs.micro_batch_texts = static_cast<int>(texts);
    needs.micro_batch_tokens =
        std::max(LargestSum(facts.item_tokens, texts), LargestSum(facts.retain_tokens, texts));
    needs.activation_bytes = token_bytes * needs.micro_batch_tokens;
    needs.logit_bytes = LogitBytes(plan, facts, needs.micro_batch_tokens);
    needs.workspace_bytes = WorkspaceBytes(plan, facts, needs);
    if (needs.available_bytes == 0 || Needed(needs) <= needs.available_bytes) {
      return chosen;
    }
    if (texts == 1) {
      return DoesNotFit(needs, facts);
    }
  }
}

}  // namespace rwku::engine
