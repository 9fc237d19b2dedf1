#include "worker/engine/model/swiglu.h"

#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/silu.h>
#include <gtest/gtest.h>

namespace rwku::engine {
namespace {

struct Inputs {
  at::Tensor gate;
  at::Tensor up;
  Linear down;

  std::vector<at::Tensor> Leaves() const {
    std::vector<at::Tensor> leaves = {gate, up, down.weight};
    if (down.adapter) {
      leaves.push_back(down.adapter->a);
      leaves.push_back(down.adapter->b);
    }
    return leaves;
  }
};

Inputs Make(at::ScalarType dtype, bool has_adapter) {
  Inputs inputs;
  inputs.gate = at::randn({5, 12}).to(dtype).requires_grad_();
  inputs.up = at::randn({5, 12}).to(dtype).requires_grad_();
  inputs.down.weight = at::randn({4, 12}).to(dtype).requires_grad_();
  if (has_adapter) {
    inputs.down.adapter = LoraAdapter{at::randn({2, 12}).requires_grad_(),
                                      at::randn({4, 2}).requires_grad_(), /*scale=*/1.5};
  }
  return inputs;
}

class SwiGluTest : public testing::TestWithParam<std::pair<at::ScalarType, bool>> {};

TEST_P(SwiGluTest, ValuesAndGradientsAreThoseOfTheOperatorsOneAfterAnother) {
  const auto& [dtype, has_adapter] = GetParam();
  const Inputs inputs = Make(dtype, has_adapter);
  const at::Tensor by_y = at::randn({5, 4}).to(dtype);
  const auto gradients = [&](const at::Tensor& y) {
    y.backward(by_y);
    std::vector<at::Tensor> found;
    for (const at::Tensor& leaf : inputs.Leaves()) {
      found.push_back(leaf.grad().to(at::kFloat));
      leaf.mutable_grad().reset();
    }
    return found;
  };
  const at::Tensor expected = inputs.down.Forward(at::silu(inputs.gate) * inputs.up);
  const at::Tensor found = SwiGluProduct(inputs.gate, inputs.up, inputs.down);
  EXPECT_TRUE(at::equal(found, expected));
  const std::vector<at::Tensor> expected_gradients = gradients(expected);
  const std::vector<at::Tensor> found_gradients = gradients(found);
  const double tolerance = dtype == at::kFloat ? 1e-6 : 2e-2;
  for (size_t i = 0; i < expected_gradients.size(); ++i) {
    const double size = expected_gradients[i].abs().max().item<double>();
    EXPECT_LE((found_gradients[i] - expected_gradients[i]).abs().max().item<double>(),
              tolerance * size)
        << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Inputs, SwiGluTest,
                         testing::Values(std::pair(at::kFloat, false), std::pair(at::kFloat, true),
                                         std::pair(at::kBFloat16, false),
                                         std::pair(at::kBFloat16, true)));

}  // namespace
}  // namespace rwku::engine
