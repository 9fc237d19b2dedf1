// What a device has and could still give.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace rwku::engine {

struct DeviceMemory {
  int64_t total_bytes = 0;      // with nobody else on it; 0 = unknown
  int64_t available_bytes = 0;  // 0 = unknown
};

// On a CPU what ReadHostMemory() says of this process; on a GPU its memory, and what of it is free
// or held unused by torch's allocator.
DeviceMemory ReadDeviceMemory(at::Device device);

}  // namespace rwku::engine
