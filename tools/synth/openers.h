// Beginnings of biographies that the tiny model can go on from.
#pragma once

#include <string>
#include <vector>

namespace rwku::synth {

// Beginnings of its biographies' sentences that need no name; the first is empty.
const std::vector<std::string>& Openers();

}  // namespace rwku::synth
