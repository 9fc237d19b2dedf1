// Continuation by sampled tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/decode/generate.h"
#include "worker/engine/decode/runner.h"

namespace rwku::engine {

// How the tokens of one request are drawn: position i takes draw i of Random(seed, stream).
struct Sampling {
  double temperature = 1;  // above 0
  double top_p = 1;        // of (0, 1]
  uint64_t seed = 42;
  std::string stream;
};

// GenerateTokens with a SampleToken each (sampler.h); `samplings` has one entry a request. Its
// errors, and INVALID_ARGUMENT for a temperature or top_p outside its range.
absl::StatusOr<std::vector<std::vector<int32_t>>> GenerateSampled(
    Runner& runner, absl::Span<const DecodeRequest> requests, absl::Span<const Sampling> samplings,
    const DecodeOptions& options, const evaluate::ProgressCallback& progress,
    const CancelToken& cancel, evaluate::Usage& usage);

}  // namespace rwku::engine
