// A text that the tiny model is trained on, and which part of it is learnt.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "benchmark/protocol/chat_prompt.h"

namespace rwku::synth {

// Short answers are few tokens among many: without more weight the model learns to write
// biographies first.
inline constexpr double kAnswerWeight = 4;
inline constexpr double kTextWeight = 1;

// Bytes [begin, end) of a text.
struct TextSpan {
  size_t begin = 0;
  size_t end = 0;
};

struct Document {
  // What stands before the text that is learnt; none for running text, which is learnt whole.
  std::optional<protocol::ChatPrompt> prompt;
  std::string text;             // an end-of-turn token follows it
  double weight = kTextWeight;  // of each learnt token in the loss
  // Pieces of prompt->user that are learnt too, as the answers of solved examples; in order. Each
  // begins and ends between two tokens, and prompt->user neither begins nor ends in white space.
  std::vector<TextSpan> learnt_in_prompt = {};
};

}  // namespace rwku::synth
