// A device of torch's own kind PrivateUse1, "simulated:0", that computes with the CPU's kernels in
// memory that the host must not touch. What would fail or wait on a GPU fails here, with the same
// numbers as on the CPU: a host pointer into the device's memory, tensors of two devices in one
// operator, a value read back inside a pass (synchronisations.h), memory that runs out
// (device_memory.h). It has one stream, on which everything is done at once.
#pragma once

#include <c10/core/Device.h>

namespace rwku::simulated {

// The device, registered with torch on the first call. Any thread.
c10::Device Device();

}  // namespace rwku::simulated
