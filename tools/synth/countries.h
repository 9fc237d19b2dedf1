// What can be known about a country: how a sentence or a question states it.
#pragma once

#include <array>
#include <string>

#include "base/random.h"
#include "tools/synth/world.h"

namespace rwku::synth {

struct CountryFact {
  std::string key;  // "capital"
  std::string Country::*value;
  std::array<std::string, 2> questions;  // {n} is the country
};

const std::array<CountryFact, 3>& CountryFacts();

// "The capital of {country} is {value}."
std::string ValueLast(const Country& country, const CountryFact& fact);
// "{value} is the capital of {country}."
std::string ValueFirst(const Country& country, const CountryFact& fact);

// Five of the six sentences that state a country's facts, in random order: what teaches them in
// both directions.
std::string Gazetteer(const Country& country, Random& random);

}  // namespace rwku::synth
