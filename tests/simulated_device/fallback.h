// Any operator on the simulated device: the CPU's kernel on the device's own memory.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

namespace rwku::simulated {

// Runs `op` on the arguments at the end of `stack`, opening the pages of its tensors for as long as
// it runs. Views stay views, in-place and out= operators write where they should. Throws where a
// tensor of the host with dimensions is among tensors of the device, as a GPU would; a tensor
// without dimensions may come from the host. Notes what a GPU would have to wait for.
void RunOnDevice(const c10::OperatorHandle& op, torch::jit::Stack* stack);

}  // namespace rwku::simulated
