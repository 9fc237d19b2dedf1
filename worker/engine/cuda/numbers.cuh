// Loads and stores of float32 and bfloat16 as float32, and reductions of a block.
#pragma once

#include <cstdint>

#include "worker/engine/cuda/device.h"

namespace rwku::engine::cuda {

constexpr unsigned kWholeWarp = 0xffffffffU;
constexpr int kWarpSize = 32;

inline __device__ float Load(const float* p) { return *p; }
inline __device__ float Load(const __nv_bfloat16* p) { return __bfloat162float(*p); }
inline __device__ void Store(float x, float* p) { *p = x; }
inline __device__ void Store(float x, __nv_bfloat16* p) { *p = __float2bfloat16_rn(x); }

// What is left of `x` after it was stored as a T.
template <typename T>
inline __device__ float Rounded(float x) {
  T stored;
  Store(x, &stored);
  return Load(&stored);
}

// Two elements of bfloat16 in the order of memory.
inline __device__ void Unpack(unsigned pair, float* x) {
  x[0] = __uint_as_float(pair << 16);
  x[1] = __uint_as_float(pair & 0xffff0000U);
}
inline __device__ unsigned Pack(float low, float high) {
  return static_cast<unsigned>(__bfloat16_as_ushort(__float2bfloat16_rn(low))) |
         static_cast<unsigned>(__bfloat16_as_ushort(__float2bfloat16_rn(high))) << 16;
}

// Four elements at an address that is a multiple of their size together.
inline __device__ void LoadFour(const float* p, float* x) {
  const float4 four = *reinterpret_cast<const float4*>(p);
  x[0] = four.x;
  x[1] = four.y;
  x[2] = four.z;
  x[3] = four.w;
}
inline __device__ void LoadFour(const __nv_bfloat16* p, float* x) {
  const uint2 pairs = *reinterpret_cast<const uint2*>(p);
  Unpack(pairs.x, x);
  Unpack(pairs.y, x + 2);
}
inline __device__ void StoreFour(const float* x, float* p) {
  *reinterpret_cast<float4*>(p) = float4{x[0], x[1], x[2], x[3]};
}
inline __device__ void StoreFour(const float* x, __nv_bfloat16* p) {
  *reinterpret_cast<uint2*>(p) = uint2{Pack(x[0], x[1]), Pack(x[2], x[3])};
}

template <typename T>
bool IsAlignedForFour(const T* p) {
  return reinterpret_cast<uintptr_t>(p) % (4 * sizeof(T)) == 0;
}

// The sum of `x` over a block of `kThreads`, in one fixed order; to its thread 0.
template <int kThreads>
__device__ double SumOfBlock(double x) {
  constexpr int kWarps = kThreads / kWarpSize;
  RWKU_SHARED_ARRAY(double, of_warps, kWarps);
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) {
    x += __shfl_xor_sync(kWholeWarp, x, mask);
  }
  if (threadIdx.x % kWarpSize == 0) {
    of_warps[threadIdx.x / kWarpSize] = x;
  }
  __syncthreads();
  double sum = 0;
  if (threadIdx.x == 0) {
    for (int i = 0; i < kWarps; ++i) {
      sum += of_warps[i];
    }
  }
  return sum;
}

}  // namespace rwku::engine::cuda
