// Squares are summed in float64: exact squares, and an order that depends on the size alone.
#include <cstdint>

#include "worker/engine/cuda/device.h"
#include "worker/engine/cuda/kernels.h"
#include "worker/engine/cuda/numbers.cuh"

namespace rwku::engine::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kElements = 4;  // that a thread reads at once
constexpr int64_t kOfBlock = 65536;

template <typename T>
__global__ void __launch_bounds__(kThreads)
    PartialSquaredNormsKernel(const T* x, int64_t size, double* partials, bool is_aligned) {
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * kOfBlock;
  const int64_t end = begin + kOfBlock < size ? begin + kOfBlock : size;
  double sum = 0;
  for (int64_t i = begin + static_cast<int64_t>(threadIdx.x) * kElements; i < end;
       i += kThreads * kElements) {
    float four[kElements] = {};
    if (is_aligned && i + kElements <= end) {
      LoadFour(x + i, four);
    } else {
      for (int j = 0; j < kElements && i + j < end; ++j) {
        four[j] = Load(x + i + j);
      }
    }
    for (const float element : four) {
      sum = fma(static_cast<double>(element), static_cast<double>(element), sum);
    }
  }
  sum = SumOfBlock<kThreads>(sum);
  if (threadIdx.x == 0) {
    partials[blockIdx.x] = sum;
  }
}

__global__ void __launch_bounds__(kThreads)
    SumKernel(const double* partials, int64_t count, double* total) {
  double sum = 0;
  for (int64_t i = static_cast<int>(threadIdx.x); i < count; i += kThreads) {
    sum += partials[i];
  }
  sum = SumOfBlock<kThreads>(sum);
  if (threadIdx.x == 0) {
    *total = sum;
  }
}

template <typename T>
void Start(const T* x, int64_t size, double* partials, CUstream_st* stream) {
  const bool is_aligned = IsAlignedForFour(x);
  const auto blocks = static_cast<unsigned>(SquaredNormPartials(size));
  RWKU_LAUNCH(PartialSquaredNormsKernel<T>, dim3{blocks}, dim3{kThreads}, stream, x, size, partials,
              is_aligned);
}

}  // namespace

int64_t SquaredNormPartials(int64_t size) { return (size + kOfBlock - 1) / kOfBlock; }

void StartPartialSquaredNorms(const void* x, NumberType type, int64_t size, double* partials,
                              CUstream_st* stream) {
  if (type == NumberType::kFloat32) {
    Start(static_cast<const float*>(x), size, partials, stream);
  } else {
    Start(static_cast<const __nv_bfloat16*>(x), size, partials, stream);
  }
}

void StartSum(const double* partials, int64_t count, double* sum, CUstream_st* stream) {
  RWKU_LAUNCH(SumKernel, dim3{1}, dim3{kThreads}, stream, partials, count, sum);
}

}  // namespace rwku::engine::cuda
