// A prompt as the protocol states it, before any model's chat template.
#pragma once

#include <string>

namespace rwku::protocol {

// One user turn, after a system turn where there is one, through the model's own chat template with
// the generation prompt added, then `assistant_prefix` appended as plain text.
struct ChatPrompt {
  std::string user;
  std::string assistant_prefix;  // "Answer:", "A:" or empty
  // Whether a space goes before assistant_prefix where the templated text does not end in "\n" or
  // " ".
  bool separate_prefix = false;
  std::string system = {};  // empty = none

  friend bool operator==(const ChatPrompt&, const ChatPrompt&) = default;
};

}  // namespace rwku::protocol
