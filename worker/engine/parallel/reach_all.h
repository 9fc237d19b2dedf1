// A backward pass in which every weight's turn comes.
#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace rwku::engine {

// `states`, equal in value, such that a backward pass through them calls `begin` first and then
// reaches each of `weights` (leaves that want gradients) exactly once, after all that the states'
// own graph gives it: one that this graph does not reach gets nothing. `begin` outlives the pass.
at::Tensor ReachAll(const at::Tensor& states, const std::vector<at::Tensor>& weights,
                    std::function<void()> begin);

}  // namespace rwku::engine
