// Greedy continuation of many prompts at once: sequences that end leave the batch, waiting ones
// take their place, and each has a cache of just its own length.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/decode/cpu_runner.h"

namespace rwku::engine {

struct GreedyOptions {
  int max_new_tokens = 30;
  std::vector<int32_t> end_ids;  // a sequence ends with the first of these, which it keeps
  int max_batch = 64;            // sequences in flight
  int64_t cache_bytes = int64_t{4} << 30;  // of all caches in flight together
};

// New tokens of every prompt, in order; they depend on that prompt alone. INVALID_ARGUMENT for an
// empty prompt or an id outside the vocabulary; RESOURCE_EXHAUSTED when one prompt alone exceeds
// cache_bytes or memory runs out; DATA_LOSS names the prompt whose next token has no finite logit;
// the cancel token's reason between steps.
absl::StatusOr<std::vector<std::vector<int32_t>>> GenerateGreedy(
    CpuRunner& runner, absl::Span<const std::vector<int32_t>> prompts, const GreedyOptions& options,
    const evaluate::ProgressCallback& progress, const CancelToken& cancel);

}  // namespace rwku::engine
