#include "worker/engine/decode/kernels.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "worker/engine/decode/kernel_builds.h"

namespace rwku::engine {

// Each from its own file.
const Kernels& PortableKernels();
#if defined(__x86_64__)
const Kernels& Avx2Kernels();
const Kernels& Avx512Kernels();
#elif defined(__aarch64__)
const Kernels& NeonKernels();
#endif

const std::vector<const Kernels*>& SupportedKernels() {
  static const std::vector<const Kernels*>& supported = *[] {
    auto* const found = new std::vector<const Kernels*>;
#if defined(__x86_64__)
    const bool has_avx2 = static_cast<bool>(__builtin_cpu_supports("avx2")) &&
                          static_cast<bool>(__builtin_cpu_supports("fma"));
    if (has_avx2 && static_cast<bool>(__builtin_cpu_supports("avx512f")) &&
        static_cast<bool>(__builtin_cpu_supports("avx512dq")) &&
        static_cast<bool>(__builtin_cpu_supports("avx512vl"))) {
      found->push_back(&Avx512Kernels());
    }
    if (has_avx2) {
      found->push_back(&Avx2Kernels());
    }
#elif defined(__aarch64__)
    found->push_back(&NeonKernels());
#endif
    found->push_back(&PortableKernels());
    return found;
  }();
  return supported;
}

const Kernels& BestKernels() { return *SupportedKernels().front(); }

namespace {

uint32_t Bits(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

// The high half of the float nearest to `value` whose low half is zero.
uint32_t RoundToBf16(float value) {
  const uint32_t bits = Bits(value);
  if (std::isnan(value)) {
    return bits >> 16 | 0x40;  // the carry of the rounding would make it infinite
  }
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

}  // namespace

void PackPanels(const float* rows, int64_t column, int64_t count, int64_t depth, float* packed) {
  for (int64_t c = column; c < column + count; ++c) {
    float* const to = packed + c / kPanelColumns * kPanelColumns * depth + c % kPanelColumns;
    const float* const from = rows + (c - column) * depth;
    for (int64_t i = 0; i < depth; ++i) {
      to[i * kPanelColumns] = from[i];
    }
  }
}

void PackBf16Panels(const float* rows, int64_t column, int64_t count, int64_t depth,
                    Bf16Pair* packed) {
  for (int64_t c = column; c < column + count; ++c) {
    Bf16Pair* const to = packed + c / kPanelColumns * kLanes * depth + c % kLanes;
    const uint32_t shift = c % kPanelColumns < kLanes ? 0 : 16;
    const float* const from = rows + (c - column) * depth;
    for (int64_t i = 0; i < depth; ++i) {
      Bf16Pair& pair = to[i * kLanes];
      pair = (pair & (0xffff0000U >> shift)) | RoundToBf16(from[i]) << shift;
    }
  }
}

bool AreBf16(const float* values, int64_t count) {
  uint32_t low = 0;
  for (int64_t i = 0; i < count; ++i) {
    low |= Bits(values[i]);
  }
  return (low & 0xffffU) == 0;
}

}  // namespace rwku::engine
