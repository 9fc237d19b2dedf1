// Gradients of which each rank keeps its share (ZeRO stage 2: Rajbhandari et al., 2020).
#pragma once

#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "worker/engine/parallel/gang_link.h"
#include "worker/engine/parallel/tensor_gang.h"

namespace rwku::engine {

// `parameters` are not empty; `owners` has the rank of each. Throws.
std::unique_ptr<GradientExchange> MakeGradientShards(
    std::vector<at::Tensor> parameters, std::vector<int> owners,
    const c10::intrusive_ptr<c10d::ProcessGroup>& group, std::shared_ptr<GangLink> link);

}  // namespace rwku::engine
