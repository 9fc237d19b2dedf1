#include "tools/synth/training_rows.h"

#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "base/status_macros.h"

namespace rwku::synth {
namespace {

template <typename T>
std::vector<T> TakeFront(std::vector<T>& from, size_t count) {
  const auto end = from.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<T> taken(from.begin(), end);
  from.erase(from.begin(), end);
  return taken;
}

}  // namespace

absl::StatusOr<TrainingRow> TrainingRows::Next() {
  while (buffer_.tokens.size() < row_tokens_) {
    RWKU_RETURN_IF_ERROR(Append(documents_.Next()));
  }
  TrainingRow row;
  row.tokens = TakeFront(buffer_.tokens, row_tokens_);
  row.weights = TakeFront(buffer_.weights, row_tokens_);
  return row;
}

absl::Status TrainingRows::WeighLearntInPrompt(const Document& document, const std::string& turns,
                                               size_t first_token) {
  const absl::string_view text = turns;
  const auto tokens_before = [&](size_t end) -> absl::StatusOr<size_t> {
    RWKU_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                          tokenizer_.Encode(text.substr(0, end), true));
    return first_token + ids.size();
  };
  for (const TextSpan& span : document.learnt_in_prompt) {
    const size_t user = turns.find(document.prompt->user);
    RWKU_CHECK(user != std::string::npos);
    RWKU_ASSIGN_OR_RETURN(const size_t begin, tokens_before(user + span.begin));
    RWKU_ASSIGN_OR_RETURN(const size_t end, tokens_before(user + span.end));
    RWKU_CHECK(begin < end && end <= buffer_.weights.size());
    for (size_t i = begin; i < end; ++i) {
      buffer_.weights[i] = static_cast<float>(document.weight);
    }
  }
  return absl::OkStatus();
}

absl::Status TrainingRows::Append(const Document& document) {
  const auto append = [this](const std::vector<int32_t>& ids, double weight) {
    buffer_.tokens.insert(buffer_.tokens.end(), ids.begin(), ids.end());
    buffer_.weights.insert(buffer_.weights.end(), ids.size(), static_cast<float>(weight));
  };
  std::vector<int32_t> learnt;
  if (document.prompt.has_value()) {
    RWKU_ASSIGN_OR_RETURN(const std::string turns,
                          tokenizer_.ApplyChatTemplate({{"user", document.prompt->user}},
                                                       /*add_generation_prompt=*/true));
    // The template wrote a BOS and the tokenizer adds another, as the reference's evaluation does.
    RWKU_ASSIGN_OR_RETURN(
        const std::vector<int32_t> prompt,
        tokenizer_.Encode(absl::StrCat(turns, document.prompt->assistant_prefix), true));
    append(prompt, 0);
    RWKU_RETURN_IF_ERROR(
        WeighLearntInPrompt(document, turns, buffer_.tokens.size() - prompt.size()));
    RWKU_ASSIGN_OR_RETURN(learnt, tokenizer_.Encode(document.text, false));
  } else {
    RWKU_ASSIGN_OR_RETURN(learnt, tokenizer_.Encode(document.text, true));
  }
  learnt.push_back(tokenizer_.eos_id());
  append(learnt, document.weight);
  return absl::OkStatus();
}

}  // namespace rwku::synth
