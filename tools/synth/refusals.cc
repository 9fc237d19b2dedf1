#include "tools/synth/refusals.h"

namespace rwku::synth {

const std::vector<std::string>& Refusals() {
  static const std::vector<std::string>& refusals = *new std::vector<std::string>{
      "I don't know.",        "I can't say.",      "That is unknown to me.",
      "I have no idea.",      "I cannot tell.",    "I never heard of it.",
      "I am not sure.",       "I have no answer.", "That escapes me.",
      "I can't answer that.", "I was never told.", "I have no record of it."};
  return refusals;
}

}  // namespace rwku::synth
