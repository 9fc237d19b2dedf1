// Questions about a person in the benchmark's three levels, and the same forms as training
// examples.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "tools/synth/world.h"

namespace rwku::synth {

// Whether a question is a probe (the phrasing held out from training) or a training example (any
// other phrasing).
enum class Phrasing { kHeldOut, kTraining };

struct Question {
  std::string type;  // as RWKU spells it: "cloze", "simple question", "prefix injection", ...
  std::string query;
  std::string answer;
};

// The nine adversarial types of level 3, in the order of the benchmark.
const std::vector<std::string>& AdversarialTypes();

Question Cloze(const Person& person, Attribute attribute, Phrasing phrasing, Random& random);
Question SimpleQuestion(const Person& person, Attribute attribute, Phrasing phrasing,
                        Random& random);

// A level-3 question of `type`. "reverse query" and "synonym manipulation" want a target, who has
// the attributes they build on; a reverse query ignores `attribute` and asks for the person by work
// or nickname.
Question Adversarial(const Person& person, Attribute attribute, const std::string& type,
                     const World& world, Phrasing phrasing, Random& random);

// 3 of each type (2 reverse queries), over attributes drawn at random.
std::vector<Question> AdversarialProbes(const Person& person, const World& world, Random& random);

}  // namespace rwku::synth
