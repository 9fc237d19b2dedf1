// The one thing that the benchmark asks of an engine: a model that continues prompts and scores
// texts. Tests implement it with a scripted model; the worker's engine with the real one.
#pragma once

#include <cstddef>
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
                                       // one call generate after or score share count once
  int64_t generated_tokens = 0;
};

// Everything that is asked in one call; whoever asks owns it.
struct Questions {
  // In the order in which their requests are numbered.
  enum class Kind { kGenerate, kSample, kContinuations, kNextTokens, kTexts };

  struct Place {
    Kind kind = Kind::kGenerate;
    size_t index = 0;  // within the kind
  };

  // Greedy continuations.
  absl::Span<const GenerateRequest> generate = {};
  // Sampled continuations, ended as greedy ones are at the end of a turn. A text depends on its
  // request and the weights alone.
  absl::Span<const SampleRequest> sample = {};
  absl::Span<const ContinuationRequest> continuations = {};
  absl::Span<const NextTokenRequest> next_tokens = {};
  // Raw texts, no template, tokenized with special tokens (one BOS).
  absl::Span<const std::string> texts = {};

  // Over all kinds.
  size_t size() const;

  // Requests of all kinds are numbered one after another, from 0. `number` is below size().
  Place PlaceOf(size_t number) const;
  size_t NumberOf(Place place) const;
};

// One answer a request, in order.
struct Answers {
  std::vector<std::string> generate;  // special tokens left out, not stripped
  std::vector<std::string> sample;    // likewise
  std::vector<std::vector<ContinuationScores>> continuations;  // one entry a continuation
  std::vector<std::vector<float>> next_tokens;  // one natural log-probability a candidate
  std::vector<TokenScores> texts;               // a text of fewer than two tokens has no entries
};

// Called with the number of finished items, from the calling thread.
using ProgressCallback = std::function<void(size_t done, size_t total)>;

// Calls come from one thread at a time. Results depend on the inputs only, not on what else comes
// in one call; but one call takes less time than several, because what is left of long
// continuations shares its passes with the rest.
//
// Errors: CANCELLED (the token's reason) when `cancel` fires; RESOURCE_EXHAUSTED when memory runs
// out; others say what is wrong with which request (see RequestError), by its number among all.
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  // Answers everything. `options` are for all prompts, not for texts; `progress` (may be null)
  // counts requests of all kinds.
  virtual absl::StatusOr<Answers> Answer(const Questions& questions, const PromptOptions& options,
                                         const ProgressCallback& progress,
                                         const CancelToken& cancel) = 0;

  virtual Usage usage() const = 0;

  // Answer for questions of one kind.
  absl::StatusOr<std::vector<std::string>> Generate(absl::Span<const GenerateRequest> requests,
                                                    const PromptOptions& options,
                                                    const ProgressCallback& progress,
                                                    const CancelToken& cancel);
  absl::StatusOr<std::vector<std::string>> Sample(absl::Span<const SampleRequest> requests,
                                                  const PromptOptions& options,
                                                  const ProgressCallback& progress,
                                                  const CancelToken& cancel);
  absl::StatusOr<std::vector<std::vector<ContinuationScores>>> ScoreContinuations(
      absl::Span<const ContinuationRequest> requests, const PromptOptions& options,
      const ProgressCallback& progress, const CancelToken& cancel);
  absl::StatusOr<std::vector<std::vector<float>>> ScoreNextTokens(
      absl::Span<const NextTokenRequest> requests, const PromptOptions& options,
      const ProgressCallback& progress, const CancelToken& cancel);
  absl::StatusOr<std::vector<TokenScores>> ScoreTexts(absl::Span<const std::string> texts,
                                                      const ProgressCallback& progress,
                                                      const CancelToken& cancel);
};

}  // namespace rwku::evaluate
