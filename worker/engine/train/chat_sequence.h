// One user turn and its answer as token ids.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "text/tokenizer.h"
#include "worker/engine/train/corpus.h"

namespace rwku::engine {

// How many tokens of a prompt and of a response are kept.
struct TokenBudget {
  int64_t prompt = 0;
  int64_t response = 0;

  friend bool operator==(const TokenBudget&, const TokenBudget&) = default;
};

// All of both where they fit into `cutoff` together; else the response gets
// max(1, floor(cutoff * response / (prompt + response))) and the prompt the rest. `response` and
// `cutoff` are at least 1.
TokenBudget SplitBudget(int64_t prompt, int64_t response, int64_t cutoff);

// The chat template of the user turn `prompt` with the generation prompt, then `response` and the
// end-of-turn token. The two are tokenized apart, without special tokens of the tokenizer's own
// (the template writes them out), and cut at their ends to SplitBudget. Labels are all tokens of
// the response, the end-of-turn token among them even where it is eos. INVALID_ARGUMENT begins with
// `where`.
absl::StatusOr<TrainingSequence> TokenizeChat(absl::string_view where, const std::string& prompt,
                                              const std::string& response, int cutoff_tokens,
                                              const text::Tokenizer& tokenizer,
                                              int64_t model_vocabulary);

}  // namespace rwku::engine
