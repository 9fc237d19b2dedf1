// What a device could still give.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include <ATen/core/Tensor.h>

namespace rwku::engine {

// Bytes that can be allocated: on a CPU the host's MemAvailable, on a GPU its free memory and what
// torch's allocator holds unused. 0 where it is not known.
int64_t AvailableBytes(at::Device device);

// MemAvailable of the text of /proc/meminfo, in bytes; 0 where it has none.
int64_t ParseMemAvailable(absl::string_view meminfo);

}  // namespace rwku::engine
