// Continuation of prompts alone; score/score.h continues prompts and scores texts together.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/decode/decoding.h"
#include "worker/engine/decode/runner.h"

namespace rwku::engine {

// New tokens of every request, in order; they depend on that request alone. The errors of
// CheckDecode and Decoding; RESOURCE_EXHAUSTED when memory runs out; the cancel token's reason.
// `progress` may be null. Adds to `usage`.
absl::StatusOr<std::vector<std::vector<int32_t>>> GenerateTokens(
    Runner& runner, absl::Span<const DecodeRequest> requests, const DecodeOptions& options,
    const evaluate::ProgressCallback& progress, const CancelToken& cancel, evaluate::Usage& usage);

}  // namespace rwku::engine
