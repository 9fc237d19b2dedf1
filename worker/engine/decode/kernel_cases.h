// What a build of the kernels computes from inputs that are the same everywhere, so that builds and
// processors can be compared. Free of everything that a cross-compiled program would need to bring.
#pragma once

#include <string>
#include <vector>

#include "worker/engine/decode/kernels.h"

namespace rwku::engine {

struct KernelCase {
  std::string name;  // one word
  std::vector<float> results;
};

// Products of many shapes with both kinds of panels, attention of groups of queries and of single
// ones, and every other kernel.
std::vector<KernelCase> RunKernelCases(const Kernels& kernels);

}  // namespace rwku::engine
