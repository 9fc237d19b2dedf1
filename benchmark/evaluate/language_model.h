// The one thing that the benchmark asks of an engine: a model that continues prompts and scores
// texts. Tests implement it with a scripted model; the worker's engine with the real one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "base/cancel.h"
#include "benchmark/protocol/chat_prompt.h"

namespace rwku::evaluate {

using protocol::ChatPrompt;

struct GenerateOptions {
  int max_new_tokens = 30;
  // The reference tokenizes the templated string, which holds a BOS already, with special tokens
  // added: two BOS.
  bool single_bos = false;
};

// Called with the number of finished items, from the calling thread.
using ProgressCallback = std::function<void(size_t done, size_t total)>;

// One entry a token after the first.
struct TokenScores {
  std::vector<float> log_probabilities;  // natural log p(token | tokens before)
  std::vector<float> means;              // sum_v p_v log p_v
  std::vector<float> variances;          // sum_v p_v (log p_v)^2 - mean^2
};

// Calls come from one thread at a time. Results depend on the inputs only, not on how many come in
// one call.
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  // Greedy continuations, one a prompt, in order; special tokens left out, not stripped. Stops at
  // the model's end tokens. CANCELLED (the token's reason) when `cancel` fires; RESOURCE_EXHAUSTED
  // when memory runs out.
  virtual absl::StatusOr<std::vector<std::string>> Generate(absl::Span<const ChatPrompt> prompts,
                                                            const GenerateOptions& options,
                                                            const ProgressCallback& progress,
                                                            const CancelToken& cancel) = 0;

  // Scores raw texts, no template, tokenized with special tokens (one BOS). A text of fewer than
  // two tokens has no entries.
  virtual absl::StatusOr<std::vector<TokenScores>> ScoreTexts(absl::Span<const std::string> texts,
                                                              const ProgressCallback& progress,
                                                              const CancelToken& cancel) = 0;
};

}  // namespace rwku::evaluate
