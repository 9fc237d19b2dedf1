// Many tensors on the host in few blocks of memory, and copies by all threads.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include <ATen/core/Tensor.h>

namespace rwku::engine {

// Contiguous tensors of the shapes and dtypes of `tensors`, uninitialised, on the host: in pinned
// memory where `device` is a GPU, else in pageable memory, one allocation each. Pinned ones share
// blocks, because torch rounds every pinned allocation up to a power of two.
std::vector<at::Tensor> EmptyOnHostLike(absl::Span<const at::Tensor> tensors, at::Device device);

// The same in blocks of `block_bytes`, or of the largest tensor where that is larger. For tests of
// how they are laid out; `pinned` needs a GPU.
std::vector<at::Tensor> EmptyInBlocks(absl::Span<const at::Tensor> tensors, int64_t block_bytes,
                                      bool pinned);

// to[i] becomes from[i], converted where the dtypes differ, with at::get_num_threads() threads.
// Both contiguous, on the host, of one size.
void CopyInParallel(absl::Span<const at::Tensor> from, absl::Span<const at::Tensor> to);

}  // namespace rwku::engine
