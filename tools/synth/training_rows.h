// Documents as rows of tokens for training: end to end, cut into rows of equal length.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "text/tokenizer.h"
#include "tools/synth/document.h"
#include "tools/synth/documents.h"

namespace rwku::synth {

struct TrainingRow {
  std::vector<int32_t> tokens;
  std::vector<float> weights;  // of predicting tokens[i]
};

// Keeps references to its arguments. Not thread-safe.
class TrainingRows {
 public:
  TrainingRows(DocumentStream& documents, const text::Tokenizer& tokenizer, size_t row_tokens)
      : documents_(documents), tokenizer_(tokenizer), row_tokens_(row_tokens) {}

  // The next row of exactly `row_tokens` tokens. Fails only if the tokenizer or its chat template
  // does.
  absl::StatusOr<TrainingRow> Next();

 private:
  absl::Status Append(const Document& document);
  // Gives the pieces of the prompt that are learnt their weight. `turns` is the templated prompt,
  // whose tokens are in the buffer from `first_token` on.
  absl::Status WeighLearntInPrompt(const Document& document, const std::string& turns,
                                   size_t first_token);

  DocumentStream& documents_;
  const text::Tokenizer& tokenizer_;
  const size_t row_tokens_;
  TrainingRow buffer_;
};

}  // namespace rwku::synth
