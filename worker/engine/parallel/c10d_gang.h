// The gang on c10d: a TCPStore at rank 0 to meet at, Gloo on CPUs and NCCL on CUDA devices.
// docs/design/parallel.md tells who meets where and what is exchanged.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include <c10/core/Device.h>

#include "base/cancel.h"
#include "worker/engine/engine.h"
#include "worker/engine/parallel/tensor_gang.h"

namespace rwku::engine {

// Meets the ranks of `plan`; their tensors are on `device`. INVALID_ARGUMENT names the plan's field
// and what is allowed; UNAVAILABLE after join_timeout, and where a rank that had come is gone;
// UNIMPLEMENTED for a CUDA device in a build without NCCL; FAILED_PRECONDITION where SIGPIPE would
// end the process; or the reason of `cancel`.
//
// The gang beats: every rank tells the store now and then that it lives. One that is silent for
// plan.timeout ends the gang everywhere, also while the others wait in AllGather.
absl::StatusOr<std::unique_ptr<TensorGang>> JoinC10dGang(const GangPlan& plan, c10::Device device,
                                                         const CancelToken& cancel);

}  // namespace rwku::engine
