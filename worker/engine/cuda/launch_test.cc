// The starts of the kernels on tensors, run by the emulation, give what the references give.
#include "worker/engine/cuda/launch.h"

#include <cstdint>

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace rwku::engine::cuda {
namespace {

class LaunchTest : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override { at::manual_seed(3); }
};

TEST_P(LaunchTest, AStepOfAdamWIsTheReferences) {
  const at::Tensor master = at::randn({37, 29});
  const at::Tensor m = at::randn({37, 29}) * 0.1;
  const at::Tensor v = at::rand({37, 29}) * 0.01;
  const at::Tensor gradient = at::randn({37, 29}).to(GetParam());
  const at::Tensor copy = at::zeros({37, 29}, at::kBFloat16);
  const at::Tensor expected[] = {master.clone(), m.clone(), v.clone(), copy.clone()};
  AdamWStep step;
  step.learning_rate = 1e-2;
  step.beta1 = 0.8;
  step.beta2 = 0.99;
  step.epsilon = 1e-6;
  step.weight_decay = 0.1;
  step.step = 5;
  step.gradient_scale = 0.3;
  LaunchMixedAdamW(master, m, v, gradient, &copy, step);
  MixedAdamWStepReference(expected[0], expected[1], expected[2], gradient, &expected[3], step);
  EXPECT_TRUE(at::allclose(master, expected[0], 1e-6, 1e-7));
  EXPECT_TRUE(at::allclose(m, expected[1], 1e-6, 1e-8));
  EXPECT_TRUE(at::allclose(v, expected[2], 1e-6, 1e-10));
  EXPECT_TRUE(at::equal(copy, master.to(at::kBFloat16)));
  LaunchMixedAdamW(master, m, v, gradient, nullptr, step);
  MixedAdamWStepReference(expected[0], expected[1], expected[2], gradient, nullptr, step);
  EXPECT_TRUE(at::allclose(master, expected[0], 1e-6, 1e-7));
  EXPECT_FALSE(at::equal(copy, master.to(at::kBFloat16)));
}

TEST_P(LaunchTest, TheSquaredNormIsTheReferences) {
  const at::Tensor gradients[] = {at::randn({500, 301}).to(GetParam()), at::zeros({0}, GetParam()),
                                  at::randn({3}).to(GetParam())};
  const at::Tensor norm = LaunchSquaredNorm(gradients);
  EXPECT_EQ(norm.dim(), 0);
  EXPECT_TRUE(at::allclose(norm, SquaredNormReference(gradients), 1e-12));
}

TEST_P(LaunchTest, TokensAreRotatedAndStoredAsByTheReference) {
  constexpr int64_t kTokens = 6;
  constexpr int64_t kHeads = 4;
  constexpr int64_t kKvHeads = 2;
  constexpr int64_t kDim = 8;
  const at::Tensor product = at::randn({kTokens, (kHeads + 2 * kKvHeads) * kDim}).to(GetParam());
  const at::Tensor angles = at::arange(40).view({10, kDim / 2}) * 0.2;
  const auto arguments = [&](const at::Tensor& of) {
    RotateAndAppendArgs args;
    args.q = of.narrow(1, 0, kHeads * kDim).view({kTokens, kHeads, kDim});
    args.k = of.narrow(1, kHeads * kDim, kKvHeads * kDim).view({kTokens, kKvHeads, kDim});
    args.v =
        of.narrow(1, (kHeads + kKvHeads) * kDim, kKvHeads * kDim).view({kTokens, kKvHeads, kDim});
    args.positions = at::tensor({3, 9, 0, 1, 1, 7}, at::kLong);
    args.cos = angles.cos();
    args.sin = angles.sin();
    args.slots = at::tensor({4, 0, 2, 6, 1, 5}, at::kLong);
    args.keys = at::zeros({7, kKvHeads, kDim}, GetParam());
    args.values = at::zeros({7, kKvHeads, kDim}, GetParam());
    return args;
  };
  const at::Tensor other = product.clone();
  const RotateAndAppendArgs ours = arguments(product);
  const RotateAndAppendArgs theirs = arguments(other);
  LaunchRotateAndAppend(ours);
  RotateAndAppendReference(theirs);
  // The same operations in float32, each rounded once.
  EXPECT_TRUE(at::equal(product, other));
  EXPECT_TRUE(at::equal(ours.keys, theirs.keys));
  EXPECT_TRUE(at::equal(ours.values, theirs.values));
}

TEST_P(LaunchTest, LogitsAreSummarizedAsByTheReference) {
  for (const int64_t columns : {5, 1003}) {
    const at::Tensor wide = (at::randn({3, columns + 9}) * 5).to(GetParam());
    const at::Tensor logits = wide.narrow(1, 0, columns);
    const LogitStatistics ours = LaunchLogitStatistics(logits);
    const LogitStatistics theirs = SummarizeLogitsReference(logits);
    EXPECT_TRUE(at::equal(ours.arg_max, theirs.arg_max));
    EXPECT_TRUE(at::allclose(ours.sums, theirs.sums, 1e-5, 1e-6)) << columns;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, LaunchTest, testing::Values(at::kFloat, at::kBFloat16));

}  // namespace
}  // namespace rwku::engine::cuda
