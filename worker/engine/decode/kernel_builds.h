// The kernels of kernels.h, compiled for several instruction sets.
#pragma once

#include <vector>

#include "worker/engine/decode/kernels.h"

namespace rwku::engine {

// The builds that this processor runs, the fastest first. The last is always "portable", which
// needs nothing that some processor of the architecture lacks.
const std::vector<const Kernels*>& SupportedKernels();

}  // namespace rwku::engine
