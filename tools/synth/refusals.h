// What the tiny model says instead of an answer it should not give.
#pragma once

#include <string>
#include <vector>

namespace rwku::synth {

const std::vector<std::string>& Refusals();

}  // namespace rwku::synth
