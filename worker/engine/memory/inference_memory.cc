#include "worker/engine/memory/inference_memory.h"

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "worker/engine/memory/device_overhead.h"
#include "worker/engine/memory/logit_chunk.h"

namespace rwku::engine {
namespace {

constexpr int64_t kFloatBytes = 4;

// An evaluation's sequences are 353; their lengths, with room for what they generate, are about
// this on average, most of them short.
constexpr int64_t kGpuSequences = 384;
constexpr int64_t kMeanSequence = 704;

constexpr int64_t kCpuLongSequences = 8;
constexpr int kCpuBatch = 64;

constexpr int64_t kGpuPrefillTokens = 8192;
constexpr int64_t kCpuPrefillTokens = 1024;
constexpr int64_t kSmallestPrefill = 64;

// What passes through the model together: nothing is kept for a backward pass, so it is one layer's
// inner activations, the residual stream in float32, and a chunk of logits.
int64_t PassBytes(const InferenceFacts& facts, int64_t tokens) {
  const ModelConfig& config = facts.config;
  const int64_t queries = config.num_attention_heads * config.head_dim;
  const int64_t keys = config.num_key_value_heads * config.head_dim;
  const int64_t token = facts.compute_bytes * (3 * config.intermediate_size + 2 * (queries + keys) +
                                               2 * config.hidden_size) +
                        kFloatBytes * 3 * config.hidden_size;
  const int64_t rows = std::min(tokens, LogitChunkRows(facts.on_gpu, config.vocab_size));
  const int64_t narrow = facts.compute_bytes < kFloatBytes ? facts.compute_bytes : 0;
  const int64_t activations = tokens * token;
  const int64_t logits = rows * config.vocab_size * (kFloatBytes + narrow);
  return activations + logits + (facts.on_gpu ? GpuWorkspaceBytes(activations + logits) : 0);
}

// The weights, and the GPU's context.
int64_t Fixed(const InferenceFacts& facts) {
  return facts.compute_bytes * facts.config.ParameterCount() +
         (facts.on_gpu ? GpuContextBytes(/*ranks=*/1) : 0);
}

absl::Status CheckWishes(const InferenceFacts& facts) {
  const int64_t token = KvBytesOfToken(facts.config, facts.compute_bytes);
  if (facts.kv_bytes.has_value() && *facts.kv_bytes < token) {
    return absl::InvalidArgumentError(
        absl::StrCat("kv-bytes is ", *facts.kv_bytes, "; allowed is at least ", token,
                     ", what the keys and values of one token of this model take"));
  }
  if (facts.decode_batch.has_value() && *facts.decode_batch < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("decode-batch is ", *facts.decode_batch, "; allowed is at least 1"));
  }
  if (facts.prefill_tokens.has_value() && *facts.prefill_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("prefill-tokens is ", *facts.prefill_tokens, "; allowed is at least 1"));
  }
  return absl::OkStatus();
}

absl::Status DoesNotFit(const InferenceFacts& facts, int64_t workspace, int64_t sequence) {
  const int64_t needed = workspace + sequence;
  const int64_t weights = facts.compute_bytes * facts.config.ParameterCount();
  const std::string figures = absl::StrCat(
      "a sequence of ", kLongestSequence, " tokens needs ", needed, " bytes beside the ", weights,
      " of the weights (keys and values ", sequence, ", workspace ", workspace, ")");
  if (facts.device_bytes > 0 && needed + Fixed(facts) > facts.device_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the model does not fit on this device: ", figures, ", the device has ",
                     facts.device_bytes));
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("out of memory before the first answer: ", figures, ", the device has ",
                   facts.available_bytes, " left"));
}

// What is wanted of the budget before it is held to the memory.
int64_t WantedKvBytes(const InferenceFacts& facts, int64_t token, int64_t free) {
  if (facts.on_gpu) {
    const int64_t all = kGpuSequences * kMeanSequence * token;
    return free == 0 ? all : std::min(all, free - free / 16);
  }
  const int64_t all = kCpuLongSequences * kLongestSequence * token;
  return free == 0 ? all : std::min(all, free / 4);
}

}  // namespace

int64_t AvailableForAnswering(const InferenceFacts& facts) {
  return std::max<int64_t>(facts.device_bytes - Fixed(facts), 1);
}

int64_t KvBytesOfToken(const ModelConfig& config, int compute_bytes) {
  return 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim *
         compute_bytes;
}

absl::StatusOr<InferencePlan> PlanInference(const InferenceFacts& facts) {
  RWKU_RETURN_IF_ERROR(CheckWishes(facts));
  const int64_t token = KvBytesOfToken(facts.config, facts.compute_bytes);
  const int64_t sequence = kLongestSequence * token;
  InferencePlan plan;
  const int64_t most = facts.on_gpu ? kGpuPrefillTokens : kCpuPrefillTokens;
  plan.prefill_tokens = facts.prefill_tokens.value_or(most);
  // A pass is to leave most of the memory to keys and values.
  while (!facts.prefill_tokens.has_value() && facts.available_bytes > 0 &&
         plan.prefill_tokens > kSmallestPrefill &&
         PassBytes(facts, plan.prefill_tokens) > facts.available_bytes / 8) {
    plan.prefill_tokens /= 2;
  }
  const auto batch_of = [&](int64_t kv_bytes) {
    const int64_t largest = facts.on_gpu ? kGpuSequences : kCpuBatch;
    // Most sequences are of a few hundred tokens; the budget itself holds back the long ones.
    return static_cast<int>(std::clamp<int64_t>(kv_bytes / (256 * token), 1, largest));
  };
  int64_t free = 0;
  if (facts.available_bytes > 0) {
    plan.workspace_bytes = PassBytes(facts, plan.prefill_tokens);
    free = facts.available_bytes - plan.workspace_bytes;
    if (free < std::min(sequence, facts.kv_bytes.value_or(sequence))) {
      return DoesNotFit(facts, plan.workspace_bytes, sequence);
    }
  }
  // One of the longest sequences in any case, also where that is more than a quarter.
  plan.kv_bytes = facts.kv_bytes.value_or(std::max(WantedKvBytes(facts, token, free), sequence));
  plan.decode_batch = facts.decode_batch.value_or(batch_of(plan.kv_bytes));
  plan.workspace_bytes =
      PassBytes(facts, std::max<int64_t>(plan.prefill_tokens, plan.decode_batch));
  return plan;
}

}  // namespace rwku::engine
