#include "tests/simulated_device/simulated_device.h"

#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/simulated_device/device_memory.h"
#include "tests/simulated_device/synchronisations.h"

namespace rwku::simulated {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

at::Tensor OnDevice(const std::vector<float>& values) {
  return at::tensor(values, at::kFloat).to(Device());
}

at::TensorOptions Options(at::ScalarType dtype) { return at::TensorOptions(Device()).dtype(dtype); }

void ExpectValues(const at::Tensor& tensor, const std::vector<float>& values) {
  ASSERT_EQ(tensor.device(), Device());
  const at::Tensor host = tensor.cpu();
  EXPECT_TRUE(at::equal(host, at::tensor(values, at::kFloat).view(host.sizes()))) << host;
}

class SimulatedDeviceTest : public testing::Test {
 protected:
  // Autograd counts the devices at its first backward pass, and pinned memory wants one.
  SimulatedDeviceTest() { Device(); }
};

TEST_F(SimulatedDeviceTest, OperatorsGiveTheCpusNumbers) {
  const at::Tensor x = at::randn({5, 7});
  const at::Tensor y = at::randn({7, 3});
  const at::Tensor expected = at::softmax(at::mm(x, y) + 1, -1);
  const at::Tensor result = at::softmax(at::mm(x.to(Device()), y.to(Device())) + 1, -1);
  EXPECT_EQ(result.device(), Device());
  EXPECT_TRUE(at::equal(result.cpu(), expected));
}

TEST_F(SimulatedDeviceTest, FreshMemoryIsNoNumber) {
  EXPECT_TRUE(at::isnan(at::empty({3}, Options(at::kFloat)).cpu()).all().item<bool>());
}

TEST_F(SimulatedDeviceTest, ViewsShareMemory) {
  const at::Tensor x = at::zeros({2, 3}, Options(at::kFloat));
  x.view({6}).slice(0, 1, 6, 2).fill_(1);
  ExpectValues(x, {0, 1, 0, 1, 0, 1});
  x.t().unbind()[0].add_(at::ones({2}, Options(at::kFloat)));
  ExpectValues(x, {1, 1, 0, 2, 0, 1});
  EXPECT_TRUE(x.view(at::kInt).is_alias_of(x));
  ExpectValues(x.as_strided({2}, {2}, 1), {1, 2});
}

TEST_F(SimulatedDeviceTest, OperatorsWriteWhereTheyAreTold) {
  const at::Tensor x = OnDevice({1, 2, 3, 4}).view({2, 2});
  at::Tensor out = at::zeros({2, 4}, Options(at::kFloat));
  at::Tensor part = out.slice(1, 1, 3);
  at::mm_out(part, x, x);
  ExpectValues(out, {0, 7, 10, 0, 0, 15, 22, 0});
  at::Tensor grows = at::empty({0}, Options(at::kFloat));
  at::cat_out(grows, {x, x}, 1);
  ExpectValues(grows, {1, 2, 1, 2, 3, 4, 3, 4});
  at::Tensor largest = at::empty({0}, Options(at::kFloat));
  at::Tensor places = at::empty({0}, Options(at::kLong));
  at::max_out(largest, places, x, 1);
  ExpectValues(largest, {2, 4});
  EXPECT_TRUE(at::equal(places.cpu(), at::ones({2}, at::kLong)));
  const auto [sorted, order] = x.view({4}).sort(0, /*descending=*/true);
  ExpectValues(sorted, {4, 3, 2, 1});
  EXPECT_EQ(order.device(), Device());
  at::_foreach_add_({sorted, largest}, 1);
  ExpectValues(sorted, {5, 4, 3, 2});
  ExpectValues(largest, {3, 5});
}

TEST_F(SimulatedDeviceTest, TensorsGrowAndMoveToOtherMemory) {
  at::Tensor x = OnDevice({1, 2});
  x.resize_({2, 3});
  EXPECT_EQ(x.sizes(), at::IntArrayRef({2, 3}));
  ExpectValues(x.view({6}).slice(0, 0, 2), {1, 2});
  const at::Tensor y = OnDevice({5, 6, 7});
  x.set_(y);
  ExpectValues(x, {5, 6, 7});
  y.fill_(8);
  ExpectValues(x, {8, 8, 8});
}

TEST_F(SimulatedDeviceTest, GradientsAreTheCpus) {
  const auto gradient = [](at::Device device) {
    const at::Tensor x = at::arange(1, 13, at::kFloat).view({3, 4}).to(device);
    const at::Tensor weight = (at::arange(0, 8, at::kFloat).view({2, 4}) / 8).to(device);
    weight.requires_grad_(true);
    const at::Tensor normed = x * at::rsqrt(x.pow(2).mean(-1, true) + 1e-5);
    at::Tensor y = at::silu(at::linear(normed, weight));
    y = at::cat({y.narrow(-1, 1, 1), -y.narrow(-1, 0, 1)}, -1);
    y.select(0, 1).mul_(2);
    y.index_select(0, at::tensor({0, 2, 1}, at::kLong).to(device)).log_softmax(-1).sum().backward();
    return weight.grad();
  };
  const at::Tensor here = gradient(Device());
  EXPECT_EQ(here.device(), Device());
  EXPECT_TRUE(at::equal(here.cpu(), gradient(at::kCPU))) << (here.cpu() - gradient(at::kCPU));
}

TEST_F(SimulatedDeviceTest, AttentionAndItsGradientAreTheCpus) {
  const at::Tensor values = at::randn({3, 1, 2, 5, 8});
  const auto run = [&](at::Device device) {
    const at::Tensor x = values.to(device).detach().requires_grad_(true);
    at::scaled_dot_product_attention(x[0], x[1], x[2], std::nullopt, 0.0, /*is_causal=*/true)
        .sum()
        .backward();
    return x.grad().cpu();
  };
  EXPECT_TRUE(at::equal(run(Device()), run(at::kCPU)));
}

TEST_F(SimulatedDeviceTest, TensorsOfTwoDevicesDoNotMix) {
  const at::Tensor x = OnDevice({1, 2});
  ExpectValues(x + at::scalar_tensor(1.0F), {2, 3});  // no dimensions: a number
  EXPECT_THROW((void)(x + at::tensor({1.0F, 2.0F})), c10::Error);
  try {
    (void)x.index_select(0, at::tensor({1, 0}, at::kLong));
    FAIL() << "indices on the host";
  } catch (const c10::Error& error) {
    EXPECT_THAT(std::string(error.what_without_backtrace()),
                HasSubstr("a tensor of 2 elements on cpu beside one on simulated:0"));
  }
}

TEST(SimulatedDeviceDeathTest, AHostReadOfDeviceMemoryEndsTheTest) {
  const at::Tensor x = OnDevice({1, 2}) * 2;
  EXPECT_DEATH(
      {
        const volatile float value = *x.const_data_ptr<float>();
        (void)value;
      },
      "the host touched device memory at .* the latest operators: .*aten::mul");
}

TEST(SimulatedDeviceDeathTest, AHostWriteToFreedDeviceMemoryEndsTheTest) {
  float* data = nullptr;
  {
    const at::Tensor x = OnDevice({1, 2});
    data = x.mutable_data_ptr<float>();
  }
  EXPECT_DEATH(*data = 1, "the host touched device memory");
}

TEST_F(SimulatedDeviceTest, APassWithoutSynchronisationIsClean) {
  const at::Tensor x = OnDevice({1, 2}).requires_grad_(true);
  const NoSynchronisationScope scope;
  (x * x).sum().backward();
  at::full({}, 2, Options(at::kDouble)).add_(x.grad().sum());
  EXPECT_THAT(scope.Found(), ElementsAre());
}

TEST_F(SimulatedDeviceTest, EverySynchronisationIsFound) {
  const at::Tensor x = OnDevice({1, 2});
  const at::Tensor mask = x > 1;
  const NoSynchronisationScope scope;
  (void)x.sum().item<float>();
  (void)at::equal(x, x);
  (void)x.cpu();
  (void)at::zeros({1}).to(Device());
  (void)at::nonzero(x);
  (void)x.index({mask});
  x.index_put_({mask}, at::ones({1}, Options(at::kFloat)));
  c10::impl::getDeviceGuardImpl(c10::kPrivateUse1)->synchronizeDevice(0);
  EXPECT_THAT(
      scope.Found(),
      ElementsAre(HasSubstr("aten::_local_scalar_dense reads a value back; the latest operators: "),
                  HasSubstr("aten::equal reads a value back"),
                  HasSubstr("a copy to the host of 2 elements that blocks"),
                  HasSubstr("a copy from the host of 1 elements that blocks"),
                  HasSubstr("aten::nonzero reads back the size of its result"),
                  HasSubstr("aten::nonzero reads back the size of its result"),
                  HasSubstr("aten::_index_put_impl_ reads back the size of its result"),
                  HasSubstr("the host waits for the device")));
}

TEST_F(SimulatedDeviceTest, PinnedMemoryIsCopiedWithoutWaiting) {
  const at::Tensor pinned =
      at::empty({2}, at::TensorOptions().dtype(at::kFloat).pinned_memory(true));
  ASSERT_TRUE(pinned.is_pinned());
  const at::Tensor pageable = at::zeros({2});
  const at::Tensor x = OnDevice({1, 2});
  const NoSynchronisationScope scope;
  pinned.copy_(x, /*non_blocking=*/true);
  const at::Tensor back = pinned.to(Device(), /*non_blocking=*/true);
  EXPECT_THAT(scope.Found(), ElementsAre());
  pageable.copy_(x, /*non_blocking=*/true);
  pinned.copy_(x);
  EXPECT_THAT(scope.Found(), ElementsAre(HasSubstr("not pinned"), HasSubstr("blocks")));
  ExpectValues(back, {1, 2});
}

TEST_F(SimulatedDeviceTest, MemoryRunsOutAtItsCapacity) {
  const int64_t before = AllocatedBytes();
  SetCapacity(before + 4096);
  ResetPeak();
  EXPECT_THROW(at::empty({1025}, Options(at::kFloat)), c10::OutOfMemoryError);
  {
    const at::Tensor x = at::zeros({1024}, Options(at::kFloat));
    EXPECT_EQ(AllocatedBytes(), before + 4096);
    EXPECT_THROW((void)(x + 1), c10::OutOfMemoryError);
  }
  EXPECT_EQ(AllocatedBytes(), before);
  EXPECT_EQ(PeakBytes(), before + 4096);
  SetCapacity(std::numeric_limits<int64_t>::max());
}

}  // namespace
}  // namespace rwku::simulated
