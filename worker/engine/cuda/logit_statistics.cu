// A block a row: one pass keeps the largest logit so far and the sums relative to it, which are
// scaled when a larger one comes. Which thread takes which logits, and the order in which threads
// are merged, depend on the number of columns alone.
#include <cmath>
#include <cstdint>

#include "worker/engine/cuda/device.h"
#include "worker/engine/cuda/kernels.h"
#include "worker/engine/cuda/numbers.cuh"

namespace rwku::engine::cuda {
namespace {

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kElements = 8;  // that a thread takes at once
constexpr int kNone = 0x7fffffff;
// Below it e^d is 0 in float32; it keeps 0 * infinity out of the sums.
constexpr float kLeast = -88;

// Of some logits of a row.
struct Summary {
  float max = -INFINITY;
  float exp = 0;
  float exp_d = 0;
  float exp_d_squared = 0;
  int arg_max = kNone;
};

// The sums relative to `max`, which is at least that of the summary:
// sum e^(d - c) (d - c)^k for the sums over d, with c = max - summary.max.
__device__ void ScaleTo(float max, Summary& summary) {
  if (!(max > summary.max)) {
    return;
  }
  const float raw = summary.max - max;
  const float minus_c = raw < kLeast ? kLeast : raw;
  const float factor = expf(minus_c);
  summary.exp_d_squared =
      factor * (summary.exp_d_squared + minus_c * (2 * summary.exp_d + minus_c * summary.exp));
  summary.exp_d = factor * (summary.exp_d + minus_c * summary.exp);
  summary.exp *= factor;
  summary.max = max;
}

__device__ void Merge(Summary other, Summary& summary) {
  if (other.max > summary.max || (other.max == summary.max && other.arg_max < summary.arg_max)) {
    summary.arg_max = other.arg_max;
  }
  ScaleTo(other.max, summary);
  ScaleTo(summary.max, other);
  summary.exp += other.exp;
  summary.exp_d += other.exp_d;
  summary.exp_d_squared += other.exp_d_squared;
}

__device__ void MergeWarp(Summary& summary) {
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) {
    Summary other;
    other.max = __shfl_xor_sync(kWholeWarp, summary.max, mask);
    other.exp = __shfl_xor_sync(kWholeWarp, summary.exp, mask);
    other.exp_d = __shfl_xor_sync(kWholeWarp, summary.exp_d, mask);
    other.exp_d_squared = __shfl_xor_sync(kWholeWarp, summary.exp_d_squared, mask);
    other.arg_max = __shfl_xor_sync(kWholeWarp, summary.arg_max, mask);
    Merge(other, summary);
  }
}

// Adds the logits of columns [begin, begin + count).
__device__ void Add(const float* logits, int begin, int count, Summary& summary) {
  float max = summary.max;
  for (int i = 0; i < kElements; ++i) {
    if (i < count && logits[i] > max) {
      max = logits[i];
      summary.arg_max = begin + i;
    }
  }
  ScaleTo(max, summary);
  for (int i = 0; i < kElements; ++i) {
    if (i < count) {
      const float raw = logits[i] - max;
      // Of -infinity the difference may be NaN, which is to say that the logit is.
      const float d = raw < kLeast || logits[i] == -INFINITY ? kLeast : raw;
      const float e = expf(d);
      summary.exp += e;
      summary.exp_d += e * d;
      summary.exp_d_squared += e * d * d;
    }
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    SummarizeLogitsKernel(const T* logits, int64_t stride, int columns, float* sums,
                          int64_t* arg_max, bool is_aligned) {
  RWKU_SHARED_ARRAY(float, max_of, kWarps);
  RWKU_SHARED_ARRAY(float, exp_of, kWarps);
  RWKU_SHARED_ARRAY(float, exp_d_of, kWarps);
  RWKU_SHARED_ARRAY(float, exp_d_squared_of, kWarps);
  RWKU_SHARED_ARRAY(int, arg_max_of, kWarps);
  const int64_t row = blockIdx.x;
  const T* const x = logits + row * stride;
  const auto thread = static_cast<int>(threadIdx.x);
  Summary summary;
  for (int begin = thread * kElements; begin < columns; begin += kThreads * kElements) {
    float taken[kElements];
    const int count = columns - begin < kElements ? columns - begin : kElements;
    if (is_aligned && count == kElements) {
      LoadFour(x + begin, taken);
      LoadFour(x + begin + 4, taken + 4);
    } else {
      for (int i = 0; i < kElements; ++i) {
        taken[i] = i < count ? Load(x + begin + i) : 0;
      }
    }
    Add(taken, begin, count, summary);
  }
  MergeWarp(summary);
  const int warp = thread / kWarpSize;
  if (thread % kWarpSize == 0) {
    max_of[warp] = summary.max;
    exp_of[warp] = summary.exp;
    exp_d_of[warp] = summary.exp_d;
    exp_d_squared_of[warp] = summary.exp_d_squared;
    arg_max_of[warp] = summary.arg_max;
  }
  __syncthreads();
  if (warp > 0) {
    return;
  }
  summary = Summary();
  if (thread < kWarps) {
    summary.max = max_of[thread];
    summary.exp = exp_of[thread];
    summary.exp_d = exp_d_of[thread];
    summary.exp_d_squared = exp_d_squared_of[thread];
    summary.arg_max = arg_max_of[thread];
  }
  MergeWarp(summary);
  if (thread == 0) {
    float* const of_row = sums + row * 4;
    of_row[0] = summary.max;
    of_row[1] = fabsf(summary.max) == INFINITY ? NAN : summary.exp;
    of_row[2] = summary.exp_d;
    of_row[3] = summary.exp_d_squared;
    arg_max[row] = summary.arg_max == kNone ? 0 : summary.arg_max;
  }
}

template <typename T>
void Start(const T* logits, int64_t rows, int64_t stride, int columns, float* sums,
           int64_t* arg_max, CUstream_st* stream) {
  const bool is_aligned = IsAlignedForFour(logits) && stride % 4 == 0;
  RWKU_LAUNCH(SummarizeLogitsKernel<T>, dim3{static_cast<unsigned>(rows)}, dim3{kThreads}, stream,
              logits, stride, columns, sums, arg_max, is_aligned);
}

}  // namespace

void StartSummarizeLogits(const void* logits, NumberType type, int64_t rows, int64_t stride,
                          int columns, float* sums, int64_t* arg_max, CUstream_st* stream) {
  if (rows == 0) {
    return;
  }
  if (type == NumberType::kFloat32) {
    Start(static_cast<const float*>(logits), rows, stride, columns, sums, arg_max, stream);
  } else {
    Start(static_cast<const __nv_bfloat16*>(logits), rows, stride, columns, sums, arg_max, stream);
  }
}

}  // namespace rwku::engine::cuda
