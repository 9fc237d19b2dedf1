// The toy writing task: a short story about a day in a town.
#pragma once

#include <string>

#include "base/random.h"

namespace rwku::synth {

// One of four instructions to tell about `town`.
std::string StoryInstruction(const std::string& town, Random& random);

// Five sentences of a small grammar; the first names the town.
std::string Story(const std::string& town, Random& random);

}  // namespace rwku::synth
