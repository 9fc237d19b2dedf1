// Short biographies: the running text from which a model learns, and from which methods make it
// forget.
#pragma once

#include <string>

#include "base/random.h"
#include "tools/synth/world.h"

namespace rwku::synth {

struct BiographyOptions {
  int statements = 8;           // at most the person's number of facts
  bool held_out_free = true;    // training phrasings only
  bool counterfactual = false;  // every value drawn anew from its pool
};

// Statements about `person` in random order: the full name first, then the name (60 %) or a pronoun
// (40 %, where the phrasing starts with the name); targets also by nickname (15 %).
std::string Biography(const Person& person, const World& world, const BiographyOptions& options,
                      Random& random);

}  // namespace rwku::synth
