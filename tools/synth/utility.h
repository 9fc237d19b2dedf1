// The utility sets of the synthetic benchmark: toy versions of MMLU, BBH, TruthfulQA, TriviaQA and
// AlpacaEval, as JSON records in RWKU's format.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "base/random.h"
#include "tools/synth/world.h"

namespace rwku::synth {

struct UtilityCounts {
  int mmlu = 24;
  int bbh = 10;
  int truthful = 10;
  int trivia = 15;
  int fluency = 4;
};

// Each returns a JSON array whose records carry `subject`.
nlohmann::json MmluItems(const World& world, const std::string& subject, int count, Random& random);
nlohmann::json BbhItems(const World& world, const std::string& subject, int count, Random& random);
nlohmann::json TruthfulItems(const World& world, const std::string& subject, int count,
                             Random& random);
nlohmann::json TriviaItems(const World& world, const std::string& subject, int count,
                           Random& random);
nlohmann::json FluencyItems(const World& world, const std::string& subject, int count,
                            Random& random);

}  // namespace rwku::synth
