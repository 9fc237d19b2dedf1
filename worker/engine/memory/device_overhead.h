// What a GPU needs beside the numbers that a program asks for.
#pragma once

#include <cstdint>

namespace rwku::engine {

// Held by a process as long as it uses the GPU: the context with the kernels of torch, cuBLAS and
// flash attention, and in a gang NCCL's buffers. An allowance; the GPU check measures it.
inline int64_t GpuContextBytes(int ranks) {
  return (int64_t{700} << 20) + (ranks > 1 ? int64_t{1} << 30 : 0);
}

// cuBLAS's fixed workspace of 32 MiB and flash attention's sums of gradients, and 1/32 of what
// comes and goes, as blocks that the caching allocator holds and cannot use. An allowance, too.
inline int64_t GpuWorkspaceBytes(int64_t passing_bytes) {
  return (int64_t{256} << 20) + passing_bytes / 32;
}

}  // namespace rwku::engine
