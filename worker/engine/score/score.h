// Log-probabilities of tokens after a context, with the mean and variance that Min-K%++ divides by.
// What contexts share is computed once.
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

// Scores tokens `first` and later of `context`, each after those before it, then every one of
// `next` after the whole context.
struct ScoreQuery {
  std::vector<int32_t> context;  // at least one token
  size_t first = 1;              // at least 1; the size of the context for none of it
  std::vector<int32_t> next;
  size_t request = 0;  // that this is a part of, for errors and progress
  // Tokens of the text of which the context is the beginning, for longrope; 0: the context is all.
  size_t length = 0;
};

// The scores of every query, in order; they depend on that query alone. `progress` counts requests,
// `requests` of them: one is done with its last query. Errors of a request
// (evaluate::RequestError): INVALID_ARGUMENT for an empty context or an id outside the vocabulary;
// RESOURCE_EXHAUSTED when a query alone exceeds the caches' bytes; DATA_LOSS for a probability that
// is not finite. RESOURCE_EXHAUSTED when memory runs out; the cancel token's reason between passes.
// Adds to `usage`.
absl::StatusOr<std::vector<std::vector<TokenScore>>> ScoreTokens(
    Runner& runner, absl::Span<const ScoreQuery> queries, size_t requests,
    const CacheOptions& options, const evaluate::ProgressCallback& progress,
    const CancelToken& cancel, evaluate::Usage& usage);

}  // namespace rwku::engine
