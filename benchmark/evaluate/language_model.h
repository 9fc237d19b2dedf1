// The one thing that the benchmark asks of an engine: a model that continues prompts and scores
// texts. Tests implement it with a scripted model; the worker's engine with the real one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/protocol/chat_prompt.h"

namespace rwku::evaluate {

using protocol::ChatPrompt;

// How prompts become tokens; the same for every prompt of a call.
struct PromptOptions {
  // The reference tokenizes the templated string, which holds a BOS already, with special tokens
  // added: two BOS.
  bool single_bos = false;
};

struct GenerateRequest {
  ChatPrompt prompt;
  int max_new_tokens = 30;
  // Also stops at the end of the turn (<|eot_id|>) where that is not the tokenizer's EOS.
  bool stop_at_end_of_turn = true;
};

struct SampleRequest {
  ChatPrompt prompt;
  int max_new_tokens = 512;
  double temperature = 1.0;  // above 0
  double top_p = 1.0;        // of (0, 1]: the smallest set of most likely tokens that holds it
  // What the draws depend on beside the model and the prompt: position i of the text takes draw i
  // of Random(seed, stream). Give every sample a stream of its own, e.g. "positive/17".
  uint64_t seed = 42;
  std::string stream;
};

// Texts that could follow a prompt. Prompt and continuation are joined by a space unless the prompt
// ends in "\n" or " ", the joined text is tokenized as a whole, and the continuation's tokens are
// those after as many as the prompt alone has.
struct ContinuationRequest {
  ChatPrompt prompt;
  std::vector<std::string> continuations;
};

// One entry a token of the continuation.
struct ContinuationScores {
  std::vector<float> log_probabilities;  // natural log p(token | tokens before)
  std::vector<bool> is_most_likely;      // whether the token is the arg-max
};

// Strings one of which could come next; each stands for the last of its tokens, tokenized by itself
// without special tokens.
struct NextTokenRequest {
  ChatPrompt prompt;
  std::vector<std::string> candidates;
};

// One entry a token after the first.
struct TokenScores {
  std::vector<float> log_probabilities;  // natural log p(token | tokens before)
  std::vector<float> means;              // sum_v p_v log p_v
  std::vector<float> variances;          // sum_v p_v (log p_v)^2 - mean^2
};

// Tokens since the model was loaded.
struct Usage {
  int64_t prompt_tokens = 0;           // of all sequences: what a run without sharing computes
  int64_t computed_prompt_tokens = 0;  // that went through the model; prefixes that sequences of
                                       // one call share count once
  int64_t generated_tokens = 0;
};

// Called with the number of finished items, from the calling thread.
using ProgressCallback = std::function<void(size_t done, size_t total)>;

// Answers come one a request, in order. Calls come from one thread at a time. Results depend on the
// inputs only, not on what else comes in one call.
//
// Errors: CANCELLED (the token's reason) when `cancel` fires; RESOURCE_EXHAUSTED when memory runs
// out; others say what is wrong with which request (see RequestError).
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  // Greedy continuations; special tokens left out, not stripped.
  virtual absl::StatusOr<std::vector<std::string>> Generate(
      absl::Span<const GenerateRequest> requests, const PromptOptions& options,
      const ProgressCallback& progress, const CancelToken& cancel) = 0;

  // Sampled continuations, ended as Generate ends them at the end of a turn; special tokens left
  // out, not stripped. A text depends on its request and the weights alone.
  virtual absl::StatusOr<std::vector<std::string>> Sample(absl::Span<const SampleRequest> requests,
                                                          const PromptOptions& options,
                                                          const ProgressCallback& progress,
                                                          const CancelToken& cancel) = 0;

  // One entry a continuation.
  virtual absl::StatusOr<std::vector<std::vector<ContinuationScores>>> ScoreContinuations(
      absl::Span<const ContinuationRequest> requests, const PromptOptions& options,
      const ProgressCallback& progress, const CancelToken& cancel) = 0;

  // One natural log-probability a candidate.
  virtual absl::StatusOr<std::vector<std::vector<float>>> ScoreNextTokens(
      absl::Span<const NextTokenRequest> requests, const PromptOptions& options,
      const ProgressCallback& progress, const CancelToken& cancel) = 0;

  // Scores raw texts, no template, tokenized with special tokens (one BOS). A text of fewer than
  // two tokens has no entries.
  virtual absl::StatusOr<std::vector<TokenScores>> ScoreTexts(absl::Span<const std::string> texts,
                                                              const ProgressCallback& progress,
                                                              const CancelToken& cancel) = 0;

  virtual Usage usage() const = 0;
};

}  // namespace rwku::evaluate
