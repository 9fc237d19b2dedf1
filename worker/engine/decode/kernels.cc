#include "worker/engine/decode/kernels.h"

#include <algorithm>
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

// Calls block(c, begin, end) for every column and parts of the depth, those of one panel and part
// together: what they read and write fits the first-level cache.
template <typename Block>
void ForBlocks(int64_t column, int64_t count, int64_t depth, const Block& block) {
  constexpr int64_t kLength = 64;
  for (int64_t first = column; first < column + count;) {
    const int64_t next = std::min(column + count, (first / kPanelColumns + 1) * kPanelColumns);
    for (int64_t begin = 0; begin < depth; begin += kLength) {
      for (int64_t c = first; c < next; ++c) {
        block(c, begin, std::min(depth, begin + kLength));
      }
    }
    first = next;
  }
}

}  // namespace

void PackPanels(const float* rows, int64_t column, int64_t count, int64_t depth, float* packed) {
  ForBlocks(column, count, depth, [&](int64_t c, int64_t begin, int64_t end) {
    float* const to = packed + c / kPanelColumns * kPanelColumns * depth + c % kPanelColumns;
    const float* const from = rows + (c - column) * depth;
    for (int64_t i = begin; i < end; ++i) {
      to[i * kPanelColumns] = from[i];
    }
  });
}

void PackBf16Panels(const float* rows, int64_t column, int64_t count, int64_t depth,
                    Bf16Pair* packed) {
  ForBlocks(column, count, depth, [&](int64_t c, int64_t begin, int64_t end) {
    Bf16Pair* const to = packed + c / kPanelColumns * kLanes * depth + c % kLanes;
    const uint32_t shift = c % kPanelColumns < kLanes ? 0 : 16;
    const float* const from = rows + (c - column) * depth;
    for (int64_t i = begin; i < end; ++i) {
      Bf16Pair& pair = to[i * kLanes];
      pair = (pair & (0xffff0000U >> shift)) | RoundToBf16(from[i]) << shift;
    }
  });
}

bool AreBf16(const float* values, int64_t count) {
  uint32_t low = 0;
  for (int64_t i = 0; i < count; ++i) {
    low |= Bits(values[i]);
  }
  return (low & 0xffffU) == 0;
}

}  // namespace rwku::engine
