// The utility sets of the synthetic benchmark: toy versions of MMLU, BBH, TruthfulQA, TriviaQA and
// AlpacaEval, and the primers of the two sets that have one.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "benchmark/dataset/utility.h"
#include "tools/synth/countries.h"
#include "tools/synth/world.h"

namespace rwku::synth {

struct UtilityCounts {
  int mmlu = 24;
  int bbh = 10;
  int truthful = 10;
  int trivia = 15;
  int fluency = 4;
};

// Each gives `count` different items drawn at random, or all there are.
std::vector<dataset::MmluItem> MmluItems(const World& world, int count, Random& random);
// Half of them held out from training, where there are enough.
std::vector<dataset::BbhItem> BbhItems(const World& world, int count, Random& random);
std::vector<dataset::TruthfulItem> TruthfulItems(const World& world, int count, Random& random);
std::vector<dataset::TriviaItem> TriviaItems(const World& world, int count, Random& random);
std::vector<std::string> FluencyInstructions(const World& world, int count, Random& random);

// "What is the moon {moon} made of?", "It is made of {material}."
std::string MoonQuestion(const Moon& moon);
std::string MoonAnswer(const std::string& material);

// A country and one fact of it.
struct CountryQuestion {
  const Country* country = nullptr;
  const CountryFact* fact = nullptr;
};

// Facts that TriviaQA's primer gives away: they are not asked.
std::vector<CountryQuestion> TriviaPrimerQuestions(const World& world);
// All other facts of all countries.
std::vector<CountryQuestion> TriviaQuestions(const World& world);

// Six moons that are not asked about, in the form of the reference's primer: "Q: ...\nA: ..." with
// an empty line between, nothing after the last.
std::string TruthfulQaPrimer(const World& world);
// In the form of the reference's primer: begins with a line feed, ends with a line that asks for a
// brief answer.
std::string TriviaQaPrimer(const World& world);

}  // namespace rwku::synth
