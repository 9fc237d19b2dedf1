#include "tools/synth/training_rows.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

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

void Append(const std::vector<int32_t>& ids, double weight, TrainingRow& row) {
  row.tokens.insert(row.tokens.end(), ids.begin(), ids.end());
  row.weights.insert(row.weights.end(), ids.size(), static_cast<float>(weight));
}

// Gives the pieces of the prompt that are learnt their weight. `row` begins with the tokens of
// `turns`, the templated prompt.
absl::Status WeighLearntInPrompt(const Document& document, absl::string_view turns,
                                 const text::Tokenizer& tokenizer, TrainingRow& row) {
  const auto tokens_before = [&](size_t end) -> absl::StatusOr<size_t> {
    RWKU_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                          tokenizer.Encode(turns.substr(0, end), true));
    return ids.size();
  };
  for (const TextSpan& span : document.learnt_in_prompt) {
    const size_t user = turns.find(document.prompt->user);
    RWKU_CHECK(user != absl::string_view::npos);
    RWKU_ASSIGN_OR_RETURN(const size_t begin, tokens_before(user + span.begin));
    RWKU_ASSIGN_OR_RETURN(const size_t end, tokens_before(user + span.end));
    RWKU_CHECK(begin < end && end <= row.weights.size());
    std::fill(row.weights.begin() + static_cast<std::ptrdiff_t>(begin),
              row.weights.begin() + static_cast<std::ptrdiff_t>(end),
              static_cast<float>(document.weight));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TrainingRow> RowOf(const Document& document, const text::Tokenizer& tokenizer) {
  TrainingRow row;
  if (document.prompt.has_value()) {
    RWKU_ASSIGN_OR_RETURN(const std::string turns,
                          tokenizer.ApplyChatTemplate({{"user", document.prompt->user}},
                                                      /*add_generation_prompt=*/true));
    // The template ends in a line feed, so separate_prefix asks for no space. It wrote a BOS, and
    // the tokenizer adds another.
    RWKU_ASSIGN_OR_RETURN(
        const std::vector<int32_t> prompt,
        tokenizer.Encode(absl::StrCat(turns, document.prompt->assistant_prefix), true));
    Append(prompt, 0, row);
    RWKU_RETURN_IF_ERROR(WeighLearntInPrompt(document, turns, tokenizer, row));
  }
  RWKU_ASSIGN_OR_RETURN(std::vector<int32_t> learnt,
                        tokenizer.Encode(document.text, !document.prompt.has_value()));
  learnt.push_back(tokenizer.eos_id());
  Append(learnt, document.weight, row);
  return row;
}

absl::StatusOr<TrainingRow> TrainingRows::Next() {
  while (buffer_.tokens.size() < row_tokens_) {
    RWKU_ASSIGN_OR_RETURN(const TrainingRow row, RowOf(documents_.Next(), tokenizer_));
    buffer_.tokens.insert(buffer_.tokens.end(), row.tokens.begin(), row.tokens.end());
    buffer_.weights.insert(buffer_.weights.end(), row.weights.begin(), row.weights.end());
  }
  TrainingRow row;
  row.tokens = TakeFront(buffer_.tokens, row_tokens_);
  row.weights = TakeFront(buffer_.weights, row_tokens_);
  return row;
}

}  // namespace rwku::synth
