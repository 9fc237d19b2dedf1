// A block a token. A pair of a head is one thread's, so that rotating in place needs no barrier.
#include <cstdint>

#include "worker/engine/cuda/device.h"
#include "worker/engine/cuda/kernels.h"
#include "worker/engine/cuda/numbers.cuh"

namespace rwku::engine::cuda {
namespace {

constexpr int kThreads = 128;

template <typename T>
__global__ void __launch_bounds__(kThreads) RotateAndAppendKernel(RotateAndAppendArguments a) {
  const int64_t token = blockIdx.x;
  const int64_t position = a.positions[token];
  const int64_t slot = a.slots[token];
  if (position < 0 || position >= a.table_size || slot < 0 || slot >= a.arena_size) {
    __trap();
  }
  const int half = a.dim / 2;
  const float* const cos = a.cos + position * half;
  const float* const sin = a.sin + position * half;
  T* const q = static_cast<T*>(a.q) + token * a.q_stride;
  T* const k = static_cast<T*>(a.k) + token * a.k_stride;
  const T* const v = static_cast<const T*>(a.v) + token * a.v_stride;
  const int64_t stored = slot * a.kv_heads * a.dim;
  T* const keys = static_cast<T*>(a.keys);
  T* const values = static_cast<T*>(a.values);
  // Pairs of q's heads, then k's.
  for (int pair = static_cast<int>(threadIdx.x); pair < (a.heads + a.kv_heads) * half;
       pair += kThreads) {
    const int i = pair % half;
    const int head = pair / half;
    const bool is_key = head >= a.heads;
    const int offset = (is_key ? head - a.heads : head) * a.dim + i;
    T* const x = (is_key ? k : q) + offset;
    const float low = Load(x);
    const float high = Load(x + half);
    const float c = Rounded<T>(cos[i]);
    const float s = Rounded<T>(sin[i]);
    Store(Rounded<T>(low * c) - Rounded<T>(high * s), x);
    Store(Rounded<T>(high * c) + Rounded<T>(low * s), x + half);
    if (is_key) {
      keys[stored + offset] = x[0];
      keys[stored + offset + half] = x[half];
    }
  }
  for (int i = static_cast<int>(threadIdx.x); i < a.kv_heads * a.dim; i += kThreads) {
    values[stored + i] = v[i];
  }
}

}  // namespace

void StartRotateAndAppend(const RotateAndAppendArguments& arguments, CUstream_st* stream) {
  if (arguments.tokens == 0) {
    return;
  }
  const auto blocks = static_cast<unsigned>(arguments.tokens);
  if (arguments.type == NumberType::kFloat32) {
    RWKU_LAUNCH(RotateAndAppendKernel<float>, dim3{blocks}, dim3{kThreads}, stream, arguments);
  } else {
    RWKU_LAUNCH(RotateAndAppendKernel<__nv_bfloat16>, dim3{blocks}, dim3{kThreads}, stream,
                arguments);
  }
}

}  // namespace rwku::engine::cuda
