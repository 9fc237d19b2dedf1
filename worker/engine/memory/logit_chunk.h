// How many rows of logits exist at once.
#pragma once

#include <algorithm>
#include <cstdint>

namespace rwku::engine {

// Rows whose float32 logits make a chunk of a size that the device handles well: about a megabyte
// where a core's cache holds them, large where launching a kernel is what costs.
inline int64_t LogitChunkRows(bool on_gpu, int64_t vocab_size) {
  const int64_t elements = int64_t{1} << (on_gpu ? 28 : 18);
  return std::max<int64_t>(64, elements / vocab_size);
}

}  // namespace rwku::engine
