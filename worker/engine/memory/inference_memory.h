// How much memory answering takes: the budget for keys and values, how many sequences are continued
// together, and how many tokens of prompts pass through the model at once.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"

#include "worker/engine/model/model_config.h"

namespace rwku::engine {

struct InferenceFacts {
  ModelConfig config;
  bool on_gpu = false;
  int compute_bytes = 4;  // of a number that the model computes with: 4 or 2
  // What the device can still give beside the resident weights; 0 = unknown.
  int64_t available_bytes = 0;
  // All that the device has; 0 = unknown.
  int64_t device_bytes = 0;
  // What a user wants in place of the plan's.
  std::optional<int64_t> kv_bytes = std::nullopt;
  std::optional<int> decode_batch = std::nullopt;
  std::optional<int64_t> prefill_tokens = std::nullopt;
};

struct InferencePlan {
  int64_t kv_bytes = 0;         // of all keys and values in use together
  int decode_batch = 0;         // sequences that are continued together, at most
  int64_t prefill_tokens = 0;   // of prompts that pass through the model together, about
  int64_t workspace_bytes = 0;  // of activations and logits of the larger of both passes
};

// Keys and values of one token, in all layers.
int64_t KvBytesOfToken(const ModelConfig& config, int compute_bytes);

// What an otherwise empty device of facts.device_bytes has left beside the weights, for
// InferenceFacts::available_bytes; at least 1, which fits nothing.
int64_t AvailableForAnswering(const InferenceFacts& facts);

// What an evaluation of one target wants, as far as the device has it. The longest sequences of an
// evaluation, few-shot prompts with room for 256 new tokens, have about kLongestSequence tokens; it
// has about 350 sequences.
//
// On a GPU the budget holds all of an evaluation's sequences at once where memory allows, so that
// weights are read as rarely as can be, and leaves 1/16 of the memory free. On a processor a larger
// batch does not pay beyond a few dozen rows: the budget holds eight of the longest sequences, and
// is at most a quarter of the memory that is free. Unknown memory counts as enough.
//
// Where not one of the longest sequences fits: INVALID_ARGUMENT if it would not with the device to
// itself, RESOURCE_EXHAUSTED if something else holds the memory; both tell the figures.
// INVALID_ARGUMENT names a wish that is below 1, or a budget below one token.
absl::StatusOr<InferencePlan> PlanInference(const InferenceFacts& facts);

inline constexpr int64_t kLongestSequence = 1536;

}  // namespace rwku::engine
