// Documents as rows of tokens for training: end to end, cut into rows of equal length.
#pragma once

#include <cstdint>
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

// A whole document. Chat prompts carry two BOS, as the reference's evaluation has them, and running
// text one; an end-of-turn token comes last. Fails only if the tokenizer or its chat template does.
absl::StatusOr<TrainingRow> RowOf(const Document& document, const text::Tokenizer& tokenizer);

// Keeps references to its arguments. Not thread-safe.
class TrainingRows {
 public:
  TrainingRows(DocumentStream& documents, const text::Tokenizer& tokenizer, size_t row_tokens)
      : documents_(documents), tokenizer_(tokenizer), row_tokens_(row_tokens) {}

  // The next row of exactly `row_tokens` tokens. Fails as RowOf does.
  absl::StatusOr<TrainingRow> Next();

 private:
  DocumentStream& documents_;
  const text::Tokenizer& tokenizer_;
  const size_t row_tokens_;
  TrainingRow buffer_;
};

}  // namespace rwku::synth
