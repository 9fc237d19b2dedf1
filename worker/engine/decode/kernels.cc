#include "worker/engine/decode/kernels.h"

#include <algorithm>

namespace rwku::engine {

bool ProcessorHasAvx2() {
  return static_cast<bool>(__builtin_cpu_supports("avx2")) &&
         static_cast<bool>(__builtin_cpu_supports("fma"));
}

bool ProcessorHasAvx512() {
  return ProcessorHasAvx2() && static_cast<bool>(__builtin_cpu_supports("avx512f")) &&
         static_cast<bool>(__builtin_cpu_supports("avx512dq")) &&
         static_cast<bool>(__builtin_cpu_supports("avx512vl"));
}

const Kernels& BestKernels() {
  static const Kernels& best = ProcessorHasAvx512() ? Avx512Kernels()
                               : ProcessorHasAvx2() ? Avx2Kernels()
                                                    : PortableKernels();
  return best;
}

void PackPanels(const float* weight, int64_t columns, int64_t depth, float* packed) {
  for (int64_t first = 0; first < columns; first += kPanelColumns) {
    const int64_t count = std::min(kPanelColumns, columns - first);
    for (int64_t i = 0; i < depth; ++i) {
      float* const to = packed + first * depth + i * kPanelColumns;
      for (int64_t c = 0; c < kPanelColumns; ++c) {
        to[c] = c < count ? weight[(first + c) * depth + i] : 0.0F;
      }
    }
  }
}

}  // namespace rwku::engine
