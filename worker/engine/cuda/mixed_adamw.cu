// One pass of AdamW: 28 bytes of memory an element, with bfloat16 gradients and copies.
#include <cstdint>

#include "worker/engine/cuda/device.h"
#include "worker/engine/cuda/kernels.h"
#include "worker/engine/cuda/numbers.cuh"

namespace rwku::engine::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kElements = 4;  // of a thread
// Of a multiprocessor: 42 registers a thread. Left to itself the assembler aims at eight blocks of
// 32 registers for compute capability 10.0, and spills.
constexpr int kBlocksAtOnce = 6;

struct NoCopy {};
using cuda::IsAlignedForFour;
using cuda::Store;
using cuda::StoreFour;
inline __device__ void Store(float, NoCopy*) {}
inline __device__ void StoreFour(const float*, NoCopy*) {}
bool IsAlignedForFour(const NoCopy*) { return true; }

__device__ void Update(const MixedAdamWArguments& a, float gradient, float& w, float& m, float& v) {
  const float g = gradient * a.gradient_scale;
  m = fmaf(a.one_minus_beta1, g - m, m);
  v = fmaf(a.one_minus_beta2, g * g, a.beta2 * v);
  const float divisor = sqrtf(v) * a.inverse_root_correction + a.epsilon;
  w = fmaf(-a.step_size, m / divisor, a.kept * w);
}

template <typename Gradient, typename Copy>
__global__ void __launch_bounds__(kThreads, kBlocksAtOnce)
    MixedAdamWKernel(MixedAdamWArguments a, const Gradient* gradient, Copy* copy, bool is_aligned) {
  const int64_t begin =
      (static_cast<int64_t>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x)) * kElements;
  if (is_aligned && begin + kElements <= a.size) {
    float g[kElements];
    float w[kElements];
    float m[kElements];
    float v[kElements];
    LoadFour(gradient + begin, g);
    LoadFour(a.master + begin, w);
    LoadFour(a.m + begin, m);
    LoadFour(a.v + begin, v);
    for (int i = 0; i < kElements; ++i) {
      Update(a, g[i], w[i], m[i], v[i]);
    }
    StoreFour(w, a.master + begin);
    StoreFour(m, a.m + begin);
    StoreFour(v, a.v + begin);
    StoreFour(w, copy + begin);
    return;
  }
  for (int64_t i = begin; i < begin + kElements && i < a.size; ++i) {
    Update(a, Load(gradient + i), a.master[i], a.m[i], a.v[i]);
    Store(a.master[i], copy + i);
  }
}

template <typename Gradient, typename Copy>
void Start(const MixedAdamWArguments& a, Copy* copy, CUstream_st* stream) {
  const auto* const gradient = static_cast<const Gradient*>(a.gradient);
  const bool is_aligned = IsAlignedForFour(gradient) && IsAlignedForFour(a.master) &&
                          IsAlignedForFour(a.m) && IsAlignedForFour(a.v) && IsAlignedForFour(copy);
  constexpr int64_t kOfBlock = kThreads * kElements;
  const auto blocks = static_cast<unsigned>((a.size + kOfBlock - 1) / kOfBlock);
  RWKU_LAUNCH((MixedAdamWKernel<Gradient, Copy>), dim3{blocks}, dim3{kThreads}, stream, a, gradient,
              copy, is_aligned);
}

template <typename Gradient>
void StartWith(const MixedAdamWArguments& a, CUstream_st* stream) {
  if (a.compute_copy == nullptr) {
    Start<Gradient>(a, static_cast<NoCopy*>(nullptr), stream);
  } else if (a.compute_copy_type == NumberType::kFloat32) {
    Start<Gradient>(a, static_cast<float*>(a.compute_copy), stream);
  } else {
    Start<Gradient>(a, static_cast<__nv_bfloat16*>(a.compute_copy), stream);
  }
}

}  // namespace

void StartMixedAdamW(const MixedAdamWArguments& arguments, CUstream_st* stream) {
  if (arguments.size == 0) {
    return;
  }
  if (arguments.gradient_type == NumberType::kFloat32) {
    StartWith<float>(arguments, stream);
  } else {
    StartWith<__nv_bfloat16>(arguments, stream);
  }
}

}  // namespace rwku::engine::cuda
