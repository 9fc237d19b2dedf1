// Log-probabilities of texts, token by token, with the mean and variance that Min-K%++ divides by.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/decode/cpu_runner.h"

namespace rwku::engine {

// The scores of every sequence, in order; they depend on that sequence alone. Logits are computed
// and used up a few rows at a time. INVALID_ARGUMENT for an id outside the vocabulary;
// RESOURCE_EXHAUSTED when memory runs out; DATA_LOSS names the text with a probability that is not
// finite; the cancel token's reason between passes.
absl::StatusOr<std::vector<evaluate::TokenScores>> ScoreSequences(
    CpuRunner& runner, absl::Span<const std::vector<int32_t>> sequences,
    const evaluate::ProgressCallback& progress, const CancelToken& cancel);

}  // namespace rwku::engine
