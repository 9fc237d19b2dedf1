// What kernels are written against: CUDA under nvcc, its emulation on the host elsewhere. Kernel
// sources take these names alone, so that one text runs on a GPU and in a test.
#pragma once

#ifdef __CUDACC__

#include <cuda_bf16.h>
#include <cuda_runtime.h>

// An array of a block, indexed like a plain one.
#define RWKU_SHARED_ARRAY(type, name, size) __shared__ type name[size]
// kernel<<<grid, block>>>(...) on `stream`; a template with several arguments in parentheses.
#define RWKU_LAUNCH(kernel, grid, block, stream, ...) \
  kernel<<<grid, block, 0, stream>>>(__VA_ARGS__)

#else

#include "worker/engine/cuda/emulation.h"

#define RWKU_SHARED_ARRAY(type, name, size) \
  static ::rwku::engine::cuda::emulation::SharedArray<type, size> name
#define RWKU_LAUNCH(kernel, grid, block, stream, ...) \
  static_cast<void>(stream);                          \
  ::rwku::engine::cuda::emulation::Launch(grid, block, [=] { kernel(__VA_ARGS__); })

#endif
