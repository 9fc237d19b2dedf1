// A tokenizer for tests: a text is its ids, written as decimal numbers with spaces between.
// Ids 0 to 3 are the chat template's, 3 ends a turn.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "text/tokenizer.h"

namespace rwku::engine {

class NumberTokenizer final : public text::Tokenizer {
 public:
  NumberTokenizer(int vocabulary_size, int32_t eos_id)
      : vocabulary_size_(vocabulary_size), end_ids_{eos_id} {}

  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view text,
                                              bool /*add_special_tokens*/) const override {
    std::vector<int32_t> ids;
    for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
      int32_t id = 0;
      if (!absl::SimpleAtoi(word, &id)) {
        return absl::InvalidArgumentError(absl::StrCat("\"", word, "\" is no number"));
      }
      ids.push_back(id);
    }
    return ids;
  }
  absl::StatusOr<std::string> Decode(absl::Span<const int32_t> ids) const override {
    return absl::StrJoin(ids, " ");
  }
  // "0 1 CONTENT 2" for a user turn with the generation prompt: 0 begins, 1 and 2 name the roles.
  absl::StatusOr<std::string> ApplyChatTemplate(absl::Span<const text::ChatMessage> messages,
                                                bool /*add_generation_prompt*/) const override {
    return absl::StrCat("0 1 ", messages.front().content, " 2");
  }
  std::optional<int32_t> TokenToId(absl::string_view /*token*/) const override {
    return std::nullopt;
  }
  int vocabulary_size() const override { return vocabulary_size_; }
  std::optional<int32_t> bos_id() const override { return std::nullopt; }
  int32_t eos_id() const override { return end_ids_.front(); }
  int32_t end_of_turn_id() const override { return 3; }
  const std::vector<int32_t>& end_ids() const override { return end_ids_; }

 private:
  const int vocabulary_size_;
  const std::vector<int32_t> end_ids_;
};

}  // namespace rwku::engine
