#include "worker/engine/train/chat_sequence.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "base/status_macros.h"

namespace rwku::engine {
namespace {

absl::Status At(absl::string_view where, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(where, ": ", status.message()));
}

}  // namespace

TokenBudget SplitBudget(int64_t prompt, int64_t response, int64_t cutoff) {
  if (prompt + response <= cutoff) {
    return {prompt, response};
  }
  const int64_t share = std::max<int64_t>(1, cutoff * response / (prompt + response));
  return {std::min(prompt, cutoff - share), std::min(response, share)};
}

absl::StatusOr<TrainingSequence> TokenizeChat(absl::string_view where, const std::string& prompt,
                                              const std::string& response, int cutoff_tokens,
                                              const text::Tokenizer& tokenizer,
                                              int64_t model_vocabulary) {
  const auto templated =
      tokenizer.ApplyChatTemplate({{"user", prompt}}, /*add_generation_prompt=*/true);
  if (!templated.ok()) {
    return At(where, templated.status());
  }
  auto prompt_ids = tokenizer.Encode(*templated, /*add_special_tokens=*/false);
  auto response_ids = tokenizer.Encode(response, /*add_special_tokens=*/false);
  for (const auto* const ids : {&prompt_ids, &response_ids}) {
    if (!ids->ok()) {
      return At(where, ids->status());
    }
  }
  response_ids->push_back(tokenizer.end_of_turn_id());
  if (prompt_ids->empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": the chat template of the prompt gives no token"));
  }
  const TokenBudget budget = SplitBudget(static_cast<int64_t>(prompt_ids->size()),
                                         static_cast<int64_t>(response_ids->size()), cutoff_tokens);
  TrainingSequence sequence;
  sequence.tokens = *std::move(prompt_ids);
  sequence.tokens.resize(static_cast<size_t>(budget.prompt));
  sequence.tokens.insert(sequence.tokens.end(), response_ids->begin(),
                         response_ids->begin() + budget.response);
  RWKU_RETURN_IF_ERROR(CheckIds(where, sequence.tokens, model_vocabulary));
  sequence.is_label.assign(sequence.tokens.size(), true);
  // A first token has no position before it that could predict it.
  std::fill_n(sequence.is_label.begin(), std::max<int64_t>(1, budget.prompt), false);
  return sequence;
}

}  // namespace rwku::engine
