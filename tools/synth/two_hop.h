// The toy reasoning task: from one fact of a country over the country to another fact of it.
#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"

#include "benchmark/dataset/utility.h"
#include "tools/synth/world.h"

namespace rwku::synth {

// "What is the {y} of the country whose {x} is {v}?" with the steps to its answer.
struct TwoHop {
  std::string question;
  std::string reasoning;  // "{v} is the {x} of {c}. The {y} of {c} is {u}. So the answer is {u}."
  std::string answer;
};

// All questions about a world, six a country, each in one of the three lists.
struct TwoHops {
  std::vector<TwoHop> examples;  // three: the fixed few-shot prompt
  std::vector<TwoHop> trained;
  std::vector<TwoHop> held_out;  // 40 %: training shows their facts, never the questions
};

TwoHops MakeTwoHops(const World& world);

// `question` after solved `examples`.
dataset::BbhItem TwoHopItem(const TwoHop& question, absl::Span<const TwoHop> examples);

}  // namespace rwku::synth
