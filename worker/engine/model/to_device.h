// Copies from the host that nobody waits for.
#pragma once

#include <ATen/core/Tensor.h>

namespace rwku::engine {

// Whether `device` has memory of its own, to which pinned memory of the host is copied while the
// host goes on.
inline bool CopiesFromPinned(at::Device device) { return !device.is_cpu() && !device.is_meta(); }

// `tensor`, which is on the host, on `device`. A GPU copies it from pinned memory when its queue
// comes to it: a copy from pageable memory would first wait for all that is queued.
inline at::Tensor ToDevice(const at::Tensor& tensor, at::Device device) {
  return CopiesFromPinned(device) ? tensor.pin_memory().to(device, /*non_blocking=*/true)
                                  : tensor.to(device);
}

}  // namespace rwku::engine
