#include "tools/synth/countries.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rwku::synth {

const std::array<CountryFact, 3>& CountryFacts() {
  static const std::array<CountryFact, 3>& facts = *new std::array<CountryFact, 3>{
      CountryFact{"capital",
                  &Country::capital,
                  {"What is the capital of {n}?", "Which city is the capital of {n}?"}},
      CountryFact{"river",
                  &Country::river,
                  {"Which river runs through {n}?", "What is the main river of {n}?"}},
      CountryFact{"coin",
                  &Country::coin,
                  {"What coin is used in {n}?", "Which coin do people in {n} pay with?"}}};
  return facts;
}

std::string ValueLast(const Country& country, const CountryFact& fact) {
  return absl::StrCat("The ", fact.key, " of ", country.name, " is ", country.*(fact.value), ".");
}

std::string ValueFirst(const Country& country, const CountryFact& fact) {
  return absl::StrCat(country.*(fact.value), " is the ", fact.key, " of ", country.name, ".");
}

std::string Gazetteer(const Country& country, Random& random) {
  std::vector<std::string> sentences;
  for (const CountryFact& fact : CountryFacts()) {
    sentences.push_back(ValueLast(country, fact));
    sentences.push_back(ValueFirst(country, fact));
  }
  random.Shuffle(sentences);
  sentences.pop_back();
  return absl::StrJoin(sentences, " ");
}

}  // namespace rwku::synth
