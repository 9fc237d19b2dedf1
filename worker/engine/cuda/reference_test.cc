// The references beside the kernels, against torch's fused optimizer and plain arithmetic.
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorIndexing.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/cuda/logit_statistics.h"
#include "worker/engine/cuda/mixed_adamw.h"
#include "worker/engine/cuda/rotate_and_append.h"

namespace rwku::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class ReferenceTest : public testing::Test {
 protected:
  void SetUp() override { at::manual_seed(7); }
};

struct Weight {
  at::Tensor master;
  at::Tensor m;
  at::Tensor v;
};

Weight RandomWeight(int64_t size) {
  return {at::randn({size}), at::randn({size}) * 0.1, at::rand({size}) * 0.01};
}

TEST_F(ReferenceTest, AStepIsThatOfTorchsFusedOptimizer) {
  for (const int64_t size : {1, 1000, 300001}) {
    for (const double decay : {0.0, 0.1}) {
      for (const double scale : {1.0, 0.25}) {
        const Weight ours = RandomWeight(size);
        const Weight theirs = {ours.master.clone(), ours.m.clone(), ours.v.clone()};
        const at::Tensor gradient = at::randn({size});
        const at::Tensor before = gradient.clone();
        AdamWStep step;
        step.learning_rate = 1e-2;
        step.weight_decay = decay;
        step.step = 4;
        step.gradient_scale = scale;
        MixedAdamWStep(ours.master, ours.m, ours.v, gradient, nullptr, step);
        EXPECT_TRUE(at::equal(gradient, before));
        at::_fused_adamw_({theirs.master}, {gradient * scale}, {theirs.m}, {theirs.v}, {},
                          {at::full({}, 4.0F)}, step.learning_rate, step.beta1, step.beta2, decay,
                          step.epsilon, false, false, std::nullopt, std::nullopt);
        EXPECT_TRUE(at::allclose(ours.m, theirs.m, 1e-6, 1e-8)) << size;
        EXPECT_TRUE(at::allclose(ours.v, theirs.v, 1e-6, 1e-10)) << size;
        EXPECT_TRUE(at::allclose(ours.master, theirs.master, 1e-6, 1e-7)) << size;
      }
    }
  }
}

TEST_F(ReferenceTest, ABfloat16GradientCountsAsItsFloat32SelfAndTheCopyIsRounded) {
  const Weight mixed = RandomWeight(200003);
  const Weight plain = {mixed.master.clone(), mixed.m.clone(), mixed.v.clone()};
  const at::Tensor gradient = at::randn({200003}).to(at::kBFloat16);
  const at::Tensor copy = at::zeros({200003}, at::kBFloat16);
  AdamWStep step;
  step.learning_rate = 1e-3;
  MixedAdamWStep(mixed.master, mixed.m, mixed.v, gradient, &copy, step);
  MixedAdamWStep(plain.master, plain.m, plain.v, gradient.to(at::kFloat), nullptr, step);
  EXPECT_TRUE(at::equal(mixed.master, plain.master));
  EXPECT_TRUE(at::equal(copy, plain.master.to(at::kBFloat16)));
}

TEST_F(ReferenceTest, WhatDoesNotFitIsRefused) {
  const Weight weight = RandomWeight(4);
  EXPECT_ANY_THROW(MixedAdamWStep(weight.master, weight.m, weight.v, at::zeros({5}), nullptr, {}));
  EXPECT_ANY_THROW(
      MixedAdamWStep(weight.master, weight.m, weight.v, at::zeros({4}, at::kHalf), nullptr, {}));
  EXPECT_ANY_THROW(MixedAdamWStep(weight.master.to(at::kBFloat16), weight.m, weight.v,
                                  at::zeros({4}), nullptr, {}));
  AdamWStep zeroth;
  zeroth.step = 0;
  EXPECT_ANY_THROW(
      MixedAdamWStep(weight.master, weight.m, weight.v, at::zeros({4}), nullptr, zeroth));
  EXPECT_ANY_THROW(SquaredNorm({at::zeros({4}, at::kInt)}));
  EXPECT_ANY_THROW(SummarizeLogits(at::zeros({3, 0})));
}

TEST_F(ReferenceTest, TheSquaredNormIsTheSumOfSquares) {
  EXPECT_EQ(SquaredNorm({}).item<double>(), 0);
  const at::Tensor a = at::randn({300, 1001});
  const at::Tensor b = at::randn({7}).to(at::kBFloat16);
  const double sum = a.to(at::kDouble).square().sum().item<double>() +
                     b.to(at::kDouble).square().sum().item<double>();
  const at::Tensor norm = SquaredNorm({a, b});
  EXPECT_EQ(norm.scalar_type(), at::kDouble);
  EXPECT_NEAR(norm.item<double>(), sum, sum * 1e-12);
  EXPECT_TRUE(std::isnan(SquaredNorm({a, at::full({2}, kNan)}).item<double>()));
}

TEST_F(ReferenceTest, TokensAreRotatedAndStoredWhereTheirSlotsSay) {
  constexpr int64_t kTokens = 3;
  constexpr int64_t kDim = 4;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor product = at::randn({kTokens, (2 + 2) * kDim}).to(type);
    const at::Tensor before = product.to(at::kFloat).view({kTokens, 4, kDim}).clone();
    RotateAndAppendArgs args;
    args.q = product.narrow(1, 0, 2 * kDim).view({kTokens, 2, kDim});
    args.k = product.narrow(1, 2 * kDim, kDim).view({kTokens, 1, kDim});
    args.v = product.narrow(1, 3 * kDim, kDim).view({kTokens, 1, kDim});
    args.positions = at::tensor({5, 0, 2}, at::kLong);
    args.slots = at::tensor({6, 3, 0}, at::kLong);
    const at::Tensor angles = at::arange(12).view({6, 2}) * 0.3;
    args.cos = angles.cos();
    args.sin = angles.sin();
    args.keys = at::zeros({7, 1, kDim}, type);
    args.values = at::zeros({7, 1, kDim}, type);
    RotateAndAppend(args);

    at::Tensor rotated = before.clone();
    for (int64_t t = 0; t < kTokens; ++t) {
      const auto position = args.positions[t].item<int64_t>();
      for (int64_t head = 0; head < 3; ++head) {
        for (int64_t i = 0; i < 2; ++i) {
          const float angle = static_cast<float>(position * 2 + i) * 0.3F;
          const auto low = before[t][head][i].item<float>();
          const auto high = before[t][head][i + 2].item<float>();
          rotated[t][head][i] = low * std::cos(angle) - high * std::sin(angle);
          rotated[t][head][i + 2] = high * std::cos(angle) + low * std::sin(angle);
        }
      }
    }
    const double tolerance = type == at::kFloat ? 1e-6 : 1e-2;
    const at::Tensor after = product.to(at::kFloat).view({kTokens, 4, kDim});
    EXPECT_TRUE(at::allclose(after, rotated, tolerance, tolerance));
    EXPECT_TRUE(at::equal(after.select(1, 3), before.select(1, 3)));
    for (int64_t slot = 0; slot < 7; ++slot) {
      const int64_t t = slot == 6 ? 0 : slot == 3 ? 1 : 2;
      const bool is_used = slot % 3 == 0;
      EXPECT_TRUE(at::equal(args.keys[slot], is_used ? args.k[t] : at::zeros({1, kDim}, type)));
      EXPECT_TRUE(at::equal(args.values[slot], is_used ? args.v[t] : at::zeros({1, kDim}, type)));
    }
    args.slots = at::tensor({7, 3, 0}, at::kLong);
    EXPECT_ANY_THROW(RotateAndAppend(args));
  }
}

TEST_F(ReferenceTest, LogitsAreSummarizedAsTheirProbabilitiesSay) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const int64_t columns : {1, 37, 5000}) {
      const at::Tensor logits = (at::randn({5, columns}) * 6).to(type);
      const at::Tensor exact = logits.to(at::kDouble);
      const auto [max, index] = exact.max(1);
      const at::Tensor d = exact - max.unsqueeze(1);
      const LogitStatistics statistics = SummarizeLogits(logits);
      const at::Tensor sums = statistics.sums.to(at::kDouble);
      EXPECT_TRUE(at::equal(statistics.arg_max, exact.argmax(1)));
      EXPECT_TRUE(at::equal(sums.select(1, 0), max));
      EXPECT_TRUE(at::allclose(sums.select(1, 1), d.exp().sum(1), 1e-5));
      EXPECT_TRUE(at::allclose(sums.select(1, 2), (d.exp() * d).sum(1), 1e-5, 1e-7));
      EXPECT_TRUE(at::allclose(sums.select(1, 3), (d.exp() * d * d).sum(1), 1e-5, 1e-7));
    }
  }
}

TEST_F(ReferenceTest, EqualLogitsNanAndInfinityAreKnown) {
  const at::Tensor logits =
      at::tensor({1.0F, 3.0F, 3.0F, -kInfinity, kNan, 2.0F, 4.0F, 4.0F, kInfinity, 1.0F, kInfinity,
                  0.0F, -kInfinity, -kInfinity, kNan, -kInfinity})
          .view({4, 4});
  const LogitStatistics statistics = SummarizeLogits(logits);
  const std::vector<int64_t> expected = {1, 2, 0, 0};
  for (int64_t r = 0; r < 4; ++r) {
    EXPECT_EQ(statistics.arg_max[r].item<int64_t>(), expected[static_cast<size_t>(r)]) << r;
    EXPECT_EQ(std::isnan(statistics.sums[r][1].item<float>()), r > 0) << r;
  }
  EXPECT_EQ(statistics.sums[1][0].item<float>(), 4);
  EXPECT_EQ(statistics.sums[2][0].item<float>(), kInfinity);
  EXPECT_EQ(statistics.sums[3][0].item<float>(), -kInfinity);
}

TEST_F(ReferenceTest, ARowOfLogitsIsSummarizedToTheSameBitsAloneAndAmongOthers) {
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    for (const int64_t columns : {900, 4099, 49152, 128256}) {
      const at::Tensor logits = at::randn({21, columns}) * 4;
      const LogitStatistics all = SummarizeLogits(logits);
      for (const int64_t row : {0, 11, 20}) {
        const LogitStatistics alone = SummarizeLogits(logits.narrow(0, row, 1));
        EXPECT_TRUE(at::equal(alone.sums[0], all.sums[row])) << columns;
        EXPECT_TRUE(at::equal(alone.arg_max[0], all.arg_max[row])) << columns;
      }
    }
  }
  at::set_num_threads(1);
}

}  // namespace
}  // namespace rwku::engine
