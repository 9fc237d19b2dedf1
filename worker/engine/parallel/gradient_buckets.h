// c10d's Reducer (PyTorch DDP: Li et al., 2020) as a GradientExchange.
#pragma once

#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "worker/engine/parallel/gang_link.h"
#include "worker/engine/parallel/tensor_gang.h"

namespace rwku::engine {

// `parameters` are not empty. Throws.
std::unique_ptr<GradientExchange> MakeGradientBuckets(
    std::vector<at::Tensor> parameters, const c10::intrusive_ptr<c10d::ProcessGroup>& group,
    std::shared_ptr<GangLink> link);

// Waits for `work` no longer than the gang lives; `operation` is for the error. Throws
// c10::DistError.
void AwaitWork(const c10::intrusive_ptr<c10d::Work>& work, const std::string& operation,
               bool on_host, GangLink& link);

}  // namespace rwku::engine
