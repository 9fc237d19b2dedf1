// Continuation by the most likely token.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/decode/generate.h"
#include "worker/engine/decode/runner.h"

namespace rwku::engine {

using GreedyRequest = DecodeRequest;
using GreedyOptions = DecodeOptions;

// GenerateTokens with the most likely token, the lowest id among equals. Its errors.
absl::StatusOr<std::vector<std::vector<int32_t>>> GenerateGreedy(
    Runner& runner, absl::Span<const GreedyRequest> requests, const GreedyOptions& options,
    const evaluate::ProgressCallback& progress, const CancelToken& cancel, evaluate::Usage& usage);

}  // namespace rwku::engine
