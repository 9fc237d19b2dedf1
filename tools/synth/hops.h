// The toy reasoning task: from one fact of a country over the country to another fact of it.
// Held-out questions ask for a composition of steps that training shows one by one.
#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"

#include "benchmark/dataset/utility.h"
#include "tools/synth/world.h"

namespace rwku::synth {

// A question with the steps to its answer.
struct HopQuestion {
  std::string question;
  std::string reasoning;  // ends "So the answer is {answer}."
  std::string answer;
};

struct HopQuestions {
  // "What is the {y} of the country whose {x} is {v}?", six a country, each in one of three lists.
  // Reasoning: "{v} is the {x} of {c}. The {y} of {c} is {u}. So the answer is {u}."
  std::vector<HopQuestion> examples;  // three: the fixed few-shot prompt
  std::vector<HopQuestion> trained;
  std::vector<HopQuestion> held_out;  // 40 %: training never asks them
  // One step alone, all of them: "Which country has the {x} {v}?" and "What is the {y} of {c}?".
  std::vector<HopQuestion> one_hop;
};

HopQuestions MakeHopQuestions(const World& world);

// `question` after solved `examples`.
dataset::BbhItem HopItem(const HopQuestion& question, absl::Span<const HopQuestion> examples);

}  // namespace rwku::synth
