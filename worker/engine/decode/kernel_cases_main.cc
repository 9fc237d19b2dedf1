// Prints what every build that this processor runs computes: a line for each case, "build case" and
// the results as hexadecimal floats. kernels_arm_test.cc reads it.
#include <cstdio>

#include "worker/engine/decode/kernel_builds.h"
#include "worker/engine/decode/kernel_cases.h"

int main() {
  for (const rwku::engine::Kernels* const kernels : rwku::engine::SupportedKernels()) {
    for (const rwku::engine::KernelCase& kernel_case : rwku::engine::RunKernelCases(*kernels)) {
      std::printf("%s %s", kernels->name, kernel_case.name.c_str());
      for (const float value : kernel_case.results) {
        std::printf(" %a", static_cast<double>(value));
      }
      std::printf("\n");
    }
  }
  return 0;
}
