// A world of invented people, countries and things, fixed by a seed. Nobody in it exists.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "benchmark/dataset/utility.h"
#include "tools/synth/attributes.h"

namespace rwku::synth {

struct Person {
  std::string name;
  std::string pronoun;  // "He" or "She"
  bool target = false;
  std::array<std::string, kAttributeCount> facts;  // by Attribute; neighbors have the first 8 only

  int fact_count() const { return target ? kAttributeCount : kNeighborAttributeCount; }
  const std::string& fact(Attribute attribute) const {
    return facts[static_cast<size_t>(attribute)];
  }
};

struct Country {
  std::string name;
  std::string capital;
  std::string river;
  std::string coin;
};

struct Moon {
  std::string name;
  std::string material;
};

// A task of the multiple-choice bank; each answer's place is random and fixed.
struct ChoiceTask {
  std::string name;                                // "world_geology"
  std::vector<dataset::MmluQuestion> development;  // five: the solved examples
  std::vector<dataset::MmluQuestion> test;
};

// Values that facts are drawn from; a counterfactual text draws others from the same pools.
struct Pools {
  std::array<std::vector<std::string>, kAttributeCount> values;
};

struct World {
  std::vector<Person> targets;
  std::vector<Person> neighbors;
  // By target: the indices of its neighbors, spouse first.
  std::vector<std::vector<int>> neighbors_of;
  std::vector<Country> countries;
  std::vector<Moon> moons;
  std::vector<Moon> primer_moons;  // solved examples, never asked about
  std::vector<std::string> materials;
  std::vector<ChoiceTask> choice_tasks;
  Pools pools;
  std::vector<std::string> strangers;  // names of nobody: questions about them are refused
};

// `{name} is a {profession} from {town}.`
std::string Intro(const Person& person);

// INVALID_ARGUMENT unless 1 <= targets <= 200.
absl::StatusOr<World> MakeWorld(uint64_t seed, int targets);

}  // namespace rwku::synth
