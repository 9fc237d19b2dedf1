#include "tools/synth/openers.h"

namespace rwku::synth {

const std::vector<std::string>& Openers() {
  static const std::vector<std::string>& openers =
      *new std::vector<std::string>{"",
                                    "The birthplace of",
                                    "The birth year of",
                                    "The life of",
                                    "The profession of",
                                    "By trade",
                                    "The best known book of",
                                    "The prize given to",
                                    "The school of",
                                    "The instrument of",
                                    "The favourite dish of",
                                    "The guild of"};
  return openers;
}

}  // namespace rwku::synth
