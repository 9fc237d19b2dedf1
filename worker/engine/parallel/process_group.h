// c10d's process groups as a gang wants them: one backend on its device, nothing that ends the
// process. Names no backend, so that only those who make one see its headers.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "worker/engine/engine.h"
#include "worker/engine/parallel/rendezvous.h"

namespace rwku::engine {

// Gloo, for tensors of the host. Connects to every rank through `store` and so blocks until they do
// the same. Throws.
c10::intrusive_ptr<c10d::ProcessGroup> MakeGlooGroup(const c10::intrusive_ptr<c10d::Store>& store,
                                                     const GangPlan& plan,
                                                     const HostPort& rendezvous);

// NCCL, for tensors of CUDA device `device`. Connects with the first exchange. Throws.
//
// NCCL's own settings are its environment variables. Unless they say otherwise, an exchange that
// fails or is late has its communicators aborted and the process goes on.
c10::intrusive_ptr<c10d::ProcessGroup> MakeNcclGroup(const c10::intrusive_ptr<c10d::Store>& store,
                                                     const GangPlan& plan, at::Device device);

// Whether this build has it.
bool HasNccl();

}  // namespace rwku::engine
