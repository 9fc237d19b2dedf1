// Greedy continuation of many prompts at once: sequences that end leave the batch, waiting ones
// take their place, what prompts share is computed once, and each has a cache of just its own
// length.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/decode/cpu_runner.h"
#include "worker/engine/decode/prefix_caches.h"

namespace rwku::engine {

struct GreedyRequest {
  std::vector<int32_t> prompt;
  int max_new_tokens = 30;
  std::vector<int32_t> end_ids = {};  // the sequence ends with the first of these, which it keeps
};

struct GreedyOptions {
  int max_batch = 64;  // sequences in flight
  CacheOptions caches = {};
};

// New tokens of every request, in order; they depend on that request alone. Errors of a request
// (evaluate::RequestError): INVALID_ARGUMENT for an empty prompt, an id outside the vocabulary or
// max_new_tokens below 1; RESOURCE_EXHAUSTED when it alone exceeds the caches' bytes; DATA_LOSS
// when its next token has no finite logit. RESOURCE_EXHAUSTED when memory runs out; the cancel
// token's reason between passes. Adds to `usage`.
absl::StatusOr<std::vector<std::vector<int32_t>>> GenerateGreedy(
    CpuRunner& runner, absl::Span<const GreedyRequest> requests, const GreedyOptions& options,
    const evaluate::ProgressCallback& progress, const CancelToken& cancel, evaluate::Usage& usage);

}  // namespace rwku::engine
