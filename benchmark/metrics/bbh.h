// The answer of a chain of thought and its two scores: what the reference publishes as reasoning,
// and whether the whole answer is right.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rwku::metrics {

// What a BBH output answers: what stands between the first "the answer is " or "The answer is " and
// the next full stop in the same line, else the whole output; stripped, and NOANSWER if nothing is
// left. The reference's pattern is `[t|T]he answer is (.*?)\.`, so that "|he answer is " begins an
// answer too.
std::string ExtractBbhAnswer(absl::string_view output);

// The reference's score of an extracted answer: 1 if its SQuAD tokens are those of any single
// character of `answer`, else 0. The reference takes the maximum over an iterable of answers and is
// handed one string. So "(B)" can match and "True" never does, and a prediction without tokens
// matches any answer that holds a space, punctuation or an "a". Missing if `answer` is empty.
//
// Where the data lists several answers the reference compares with each as a whole: ReaEm.
std::optional<double> ReaReference(absl::string_view prediction, absl::string_view answer);

// 1 if the SQuAD tokens of an extracted answer are those of one of `answers` as a whole, else 0.
// Missing without answers.
std::optional<double> ReaEm(absl::string_view prediction, absl::Span<const std::string> answers);

}  // namespace rwku::metrics
