// Exact match and token F1 as the SQuAD benchmark normalises answers; the reference scores TriviaQA
// and BBH with them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rwku::metrics {

// The words of `text` after normalisation: lower case (Python's str.lower()), without the ASCII
// punctuation, without the words "a", "an" and "the" (\b(a|an|the)\b), split on white space. A mark
// is no word character: of "a" with a combining accent the mark stays.
std::vector<std::string> SquadTokens(absl::string_view text);

// 1 if the tokens of `prediction` are those of one of `answers`, in order; else 0. Missing without
// answers.
std::optional<double> ExactMatch(absl::string_view prediction,
                                 absl::Span<const std::string> answers);

// The largest over `answers` of 2 P R / (P + R), from 0 to 1: tokens in common, counted with
// repetition, as a share of the prediction's (P) and of the answer's (R). If either has no tokens
// it is 1 if both have none, else 0. Missing without answers.
std::optional<double> TokenF1(absl::string_view prediction, absl::Span<const std::string> answers);

}  // namespace rwku::metrics
