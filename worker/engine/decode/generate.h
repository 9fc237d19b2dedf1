// Continuation of many prompts at once: sequences that end leave the batch, waiting ones take their
// place, what prompts share is computed once, and each has a cache of just its own length. Which
// token comes next is the chooser's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/decode/prefix_caches.h"
#include "worker/engine/decode/runner.h"

namespace rwku::engine {

struct DecodeRequest {
  std::vector<int32_t> prompt;
  int max_new_tokens = 30;
  std::vector<int32_t> end_ids = {};  // the sequence ends with the first of these, which it keeps
};

struct DecodeOptions {
  int max_batch = 64;  // sequences in flight
  CacheOptions caches = {};
};

// Not thread-safe.
class TokenChooser {
 public:
  virtual ~TokenChooser() = default;

  // The next token of `requests` (numbers, each once) from a row each, in order; -1 where there is
  // none because the largest logit is not finite. Called once per position of a request, from the
  // first on. A choice must depend on its request and row alone.
  virtual std::vector<int32_t> Choose(Runner& runner, absl::Span<const RowRef> rows,
                                      absl::Span<const size_t> requests) = 0;
};

// New tokens of every request, in order; they depend on that request alone. Errors of a request
// (evaluate::RequestError): INVALID_ARGUMENT for an empty prompt, an id outside the vocabulary or
// max_new_tokens below 1; RESOURCE_EXHAUSTED when it alone exceeds the caches' bytes; DATA_LOSS
// when its next token has no finite logit. RESOURCE_EXHAUSTED when memory runs out; the cancel
// token's reason between passes. Adds to `usage`.
absl::StatusOr<std::vector<std::vector<int32_t>>> GenerateTokens(
    Runner& runner, absl::Span<const DecodeRequest> requests, TokenChooser& chooser,
    const DecodeOptions& options, const evaluate::ProgressCallback& progress,
    const CancelToken& cancel, evaluate::Usage& usage);

}  // namespace rwku::engine
