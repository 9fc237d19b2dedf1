// Continuations of prompts and scores of texts from one loop over one budget of key-value caches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/evaluate/language_model.h"
#include "worker/engine/decode/decoding.h"
#include "worker/engine/decode/runner.h"
#include "worker/engine/score/scoring.h"

namespace rwku::engine {

// All that is asked of a model in one call.
struct TokenQuestions {
  absl::Span<const DecodeRequest> decode = {};
  absl::Span<const ScoreQuery> queries = {};
  size_t scored_requests = 0;  // that the queries are parts of
};

struct TokenAnswers {
  std::vector<std::vector<int32_t>> tokens;     // new ones of every request to continue
  std::vector<std::vector<TokenScore>> scores;  // of every query
};

// Answers everything, in order; an answer depends on what it answers alone. Prompts are continued
// first. Once none of them waits, few sequences are left in a pass: queries go along in it, up to
// options.caches.pass_tokens tokens in all, and alone when all prompts are done.
//
// The errors of CheckDecode, Decoding, CheckQueries and Scoring; RESOURCE_EXHAUSTED when memory
// runs out; the cancel token's reason. The requests of `decode` come first in the numbers of
// errors, and `progress` (may be null) counts all. Adds to `usage`.
absl::StatusOr<TokenAnswers> AnswerTokens(Runner& runner, const TokenQuestions& questions,
                                          const DecodeOptions& options,
                                          const evaluate::ProgressCallback& progress,
                                          const CancelToken& cancel, evaluate::Usage& usage);

// AnswerTokens for queries alone, of `requests` requests.
absl::StatusOr<std::vector<std::vector<TokenScore>>> ScoreTokens(
    Runner& runner, absl::Span<const ScoreQuery> queries, size_t requests,
    const CacheOptions& options, const evaluate::ProgressCallback& progress,
    const CancelToken& cancel, evaluate::Usage& usage);

}  // namespace rwku::engine
