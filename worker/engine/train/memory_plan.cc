#include "worker/engine/train/memory_plan.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rwku::engine {
namespace {

constexpr int64_t kFloatBytes = 4;

// The sum of the largest `count`.
int64_t LargestSum(std::vector<int64_t> values, int64_t count) {
  std::sort(values.begin(), values.end(), std::greater<>());
  const auto taken = std::min(count, static_cast<int64_t>(values.size()));
  return std::accumulate(values.begin(), values.begin() + taken, int64_t{0});
}

int64_t ActivationBytes(const MemoryRequest& request, int64_t tokens) {
  const ModelConfig& config = request.config;
  const int64_t layers = config.num_hidden_layers - request.first_layer;
  const int64_t token_bytes = layers * LayerActivationBytes(config, request.compute_bytes);
  // The backward pass holds, at its widest, the gradients of one layer's inner activations and of
  // the residual stream; the last norm and the selected states are as wide as a few streams.
  const int64_t passing =
      request.compute_bytes * (4 * config.intermediate_size + 8 * config.hidden_size);
  // Autograd keeps the narrow copy that a product made of a float32 weight.
  const int64_t narrow_weights =
      request.compute_bytes < kFloatBytes
          ? request.compute_bytes * (request.parameters + request.adapter_parameters)
          : 0;
  return tokens * (token_bytes + passing) + narrow_weights;
}

int64_t LogitBytes(const MemoryRequest& request, int64_t tokens) {
  const int64_t longest = *std::max_element(request.item_tokens.begin(), request.item_tokens.end());
  const int64_t whole = request.keeps_items_whole ? longest : 0;
  const int64_t rows = std::min(tokens, std::max(request.chunk_rows, whole));
  // Logits and their narrow copy or a temporary; beside a reference also its logits,
  // probabilities, and both logarithms.
  const int64_t copies = request.has_reference_logits ? 6 : 2;
  const int64_t head = request.config.vocab_size * request.config.hidden_size * kFloatBytes;
  return rows * request.config.vocab_size * kFloatBytes * copies + (request.copies_head ? head : 0);
}

int64_t Needed(const MemoryPlan& plan) {
  return plan.gradient_bytes + plan.optimizer_bytes + plan.activation_bytes + plan.logit_bytes;
}

absl::Status DoesNotFit(const MemoryPlan& plan) {
  return absl::ResourceExhaustedError(
      absl::StrCat("out of memory before the training: one text or pair at a time, the longest of ",
                   plan.micro_batch_tokens, " tokens, needs ", Needed(plan), " bytes beyond the ",
                   plan.weight_bytes, " of the weights (gradients ", plan.gradient_bytes,
                   ", optimizer ", plan.optimizer_bytes, ", activations ", plan.activation_bytes,
                   ", logits ", plan.logit_bytes, "), the device has ", plan.available_bytes));
}

}  // namespace

int64_t LayerActivationBytes(const ModelConfig& config, int compute_bytes) {
  const int64_t hidden = config.hidden_size;
  const int64_t queries = config.num_attention_heads * config.head_dim;
  const int64_t keys = config.num_key_value_heads * config.head_dim;
  // Two streams, two norms of a normalised and a weighted state each; rotated queries and keys,
  // values, what attention gives, twice; gate, its silu, up and their product.
  const int64_t elements =
      2 * hidden + 4 * hidden + 2 * queries + 2 * keys + 2 * queries + 4 * config.intermediate_size;
  // The norms compute in float32, and flash attention keeps a sum for each head.
  const int64_t wide = compute_bytes < kFloatBytes ? 2 * hidden : 0;
  return compute_bytes * elements + kFloatBytes * (wide + config.num_attention_heads);
}

absl::StatusOr<ChosenMemoryPlan> PlanMemory(const MemoryRequest& request) {
  ChosenMemoryPlan chosen;
  MemoryPlan& plan = chosen.plan;
  plan.weight_bytes = kFloatBytes * (request.parameters + request.adapter_parameters);
  plan.gradient_bytes = kFloatBytes * request.trained_parameters;
  plan.optimizer_bytes =
      2 * kFloatBytes * request.trained_parameters / std::max(1, request.optimizer_ranks);
  plan.available_bytes = request.available_bytes;
  const int64_t batch =
      std::min<int64_t>(request.batch_size, static_cast<int64_t>(request.item_tokens.size()));
  for (chosen.parts = request.smallest_parts;; chosen.parts *= 2) {
    const int64_t texts = (batch + chosen.parts - 1) / chosen.parts;
    plan.micro_batch_texts = static_cast<int>(texts);
    plan.micro_batch_tokens =
        std::max(LargestSum(request.item_tokens, texts), LargestSum(request.retain_tokens, texts));
    plan.activation_bytes = ActivationBytes(request, plan.micro_batch_tokens);
    plan.logit_bytes = LogitBytes(request, plan.micro_batch_tokens);
    if (plan.available_bytes == 0 || Needed(plan) <= plan.available_bytes) {
      return chosen;
    }
    if (texts == 1) {
      return DoesNotFit(plan);
    }
  }
}

}  // namespace rwku::engine
