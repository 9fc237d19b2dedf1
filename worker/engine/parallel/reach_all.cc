#include "worker/engine/parallel/reach_all.h"

#include <memory>
#include <utility>

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

namespace rwku::engine {
namespace {

// Passes on the gradient of the states, and none to each weight.
class ReachAllNode final : public torch::autograd::Node {
 public:
  ReachAllNode(size_t weights, std::function<void()> begin)
      : weights_(weights), begin_(std::move(begin)) {}

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    begin_();
    torch::autograd::variable_list passed(1 + weights_);
    passed.front() = std::move(gradients.front());
    return passed;
  }

 private:
  const size_t weights_;
  const std::function<void()> begin_;
};

}  // namespace

at::Tensor ReachAll(const at::Tensor& states, const std::vector<at::Tensor>& weights,
                    std::function<void()> begin) {
  torch::autograd::variable_list inputs = {states};
  inputs.insert(inputs.end(), weights.begin(), weights.end());
  const std::shared_ptr<torch::autograd::Node> node(
      new ReachAllNode(weights.size(), std::move(begin)), torch::autograd::deleteNode);
  node->set_next_edges(torch::autograd::collect_next_edges(inputs));
  at::Tensor attached = states.detach();
  torch::autograd::set_history(attached, node);
  return attached;
}

}  // namespace rwku::engine
