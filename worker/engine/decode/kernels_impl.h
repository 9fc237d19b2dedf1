// The kernels' code, compiled once per instruction set: a file sets RWKU_KERNELS_NAME (a string)
// and RWKU_KERNELS_ACCESSOR (the function that returns the table) and includes this one. Everything
// is local to that file, and no standard header with inline functions is used: the linker must not
// pick a copy built for another processor.
#include "worker/engine/decode/kernels.h"
#include "worker/engine/decode/kernels_attend.h"
#include "worker/engine/decode/kernels_multiply.h"
#include "worker/engine/decode/kernels_vector.h"

// Local to each file that includes it, on purpose.
// NOLINTBEGIN(google-build-namespaces,misc-definitions-in-headers)

namespace rwku::engine {

namespace {

void RmsNormRows(const float* x, const float* weight, float eps, int64_t rows, int64_t size,
                 float* y) {
  float buffer[kLanes];
  for (int64_t row = 0; row < rows; ++row) {
    const float* const from = x + row * size;
    float* const to = y + row * size;
    Wide squares = SplatWide(0);
    for (int64_t i = 0; i < size; i += kLanes) {
      const float* const lanes = WideAt(from, i, size, 0, buffer);
      for (int p = 0; p < kParts; ++p) {
        const Vec v = Load(lanes + p * kWidth);
        squares.part[p] += v * v;
      }
    }
    const float mean = SumLanes(squares) / static_cast<float>(size);
    const float scale = 1.0F / __builtin_sqrtf(mean + eps);
    for (int64_t i = 0; i < size; i += kWidth) {
      const Vec scaled = LoadPart(from + i, size - i, 0) * scale;
      StorePart(to + i, LoadPart(weight + i, size - i, 0) * scaled, size - i);
    }
  }
}

void SiluProduct(const float* x, int64_t rows, int64_t size, float* out) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* const gates = x + row * 2 * size;
    float* const to = out + row * size;
    for (int64_t i = 0; i < size; i += kWidth) {
      const Vec gate = LoadPart(gates + i, size - i, 0);
      const Vec up = LoadPart(gates + size + i, size - i, 0);
      StorePart(to + i, gate / (1.0F + Exp(-gate)) * up, size - i);
    }
  }
}

LogitSums SumLogits(const float* logits, int64_t size) {
  const float lowest = -__builtin_inff();
  float buffer[kLanes];
  Wide best = SplatWide(lowest);
  for (int64_t i = 0; i < size; i += kLanes) {
    const float* const lanes = WideAt(logits, i, size, lowest, buffer);
    for (int p = 0; p < kParts; ++p) {
      best.part[p] = Max(best.part[p], Load(lanes + p * kWidth));
    }
  }
  LogitSums sums;
  sums.max = MaxLanes(best);
  Wide total = SplatWide(0);
  Wide first = SplatWide(0);
  Wide second = SplatWide(0);
  for (int64_t i = 0; i < size; i += kLanes) {
    const float* const lanes = WideAt(logits, i, size, lowest, buffer);
    for (int p = 0; p < kParts; ++p) {
      // Below -87 e^d is 0; the bound keeps 0 * infinity out of the sums, and NaN in them.
      const Vec raw = Load(lanes + p * kWidth) - sums.max;
      const Vec d = raw < Splat(-88.0F) ? Splat(-88.0F) : raw;
      const Vec e = Exp(d);
      total.part[p] += e;
      first.part[p] += e * d;
      second.part[p] += e * d * d;
    }
  }
  sums.exp = SumLanes(total);
  sums.exp_d = SumLanes(first);
  sums.exp_d_squared = SumLanes(second);
  return sums;
}

int64_t ArgMax(const float* x, int64_t size) {
  const float lowest = -__builtin_inff();
  Vec best = Splat(lowest);
  IntVec best_index = {};
  IntVec index = {};
  for (int i = 0; i < kWidth; ++i) {
    index[i] = i;
  }
  for (int64_t i = 0; i < size; i += kWidth) {
    const Vec v = LoadPart(x + i, size - i, lowest);
    const IntVec is_larger = v > best;
    best = is_larger ? v : best;
    best_index = is_larger ? index : best_index;
    index += kWidth;
  }
  int lane = 0;
  for (int i = 1; i < kWidth; ++i) {
    if (best[i] > best[lane] || (best[i] == best[lane] && best_index[i] < best_index[lane])) {
      lane = i;
    }
  }
  return best_index[lane];
}

}  // namespace

const Kernels& RWKU_KERNELS_ACCESSOR() {
  static constexpr Kernels kKernels = {
      RWKU_KERNELS_NAME, Multiply<float>, Multiply<Bf16Pair>, RmsNormRows, Attend, SiluProduct,
      SumLogits,         ArgMax,
  };
  return kKernels;
}

}  // namespace rwku::engine
// NOLINTEND(google-build-namespaces,misc-definitions-in-headers)
