// The strings by which the model under test writes its own corpora. Source: the reference
// implementation of RWKU (Jin et al., 2024, arXiv 2406.10890).
#pragma once

#include <string>

#include "absl/strings/string_view.h"

#include "benchmark/corpus/text.h"
#include "benchmark/protocol/chat_prompt.h"

namespace rwku::corpus {

// New tokens of a question.
inline constexpr int kQuestionTokens = 50;

// A biography of what the model knows, and one that it makes up. `opener` begins the answer.
protocol::ChatPrompt PositivePrompt(const Subject& subject, absl::string_view opener);
protocol::ChatPrompt NegativePrompt(const Subject& subject, absl::string_view opener);

// A question about the subject, to be refused.
protocol::ChatPrompt QuestionPrompt(const Subject& subject);

// The user's turn of a preference pair.
std::string PairPrompt(const Subject& subject);

// The text without the words by which the model admits that it makes something up: "totally
// fabricated ", "completely fabricated ", and so on, one phrase after another.
std::string WithoutAdmissions(std::string text);

// The question of a sampled answer: its first line, without white space around it.
std::string FirstLine(absl::string_view text);

}  // namespace rwku::corpus
