// The CUDA half compiles and links: this program holds the kernels, their starts and every symbol
// that they need. Without a GPU there is nothing more to see of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/cuda/kernels.h"
#include "worker/engine/cuda/launch.h"

namespace rwku::engine::cuda {
namespace {

TEST(CudaLinkTest, NothingToDoIsDoneWithoutADevice) {
  StartMixedAdamW({}, nullptr);
  StartRotateAndAppend({}, nullptr);
  StartSummarizeLogits(nullptr, NumberType::kFloat32, 0, 0, 0, nullptr, nullptr, nullptr);
  EXPECT_EQ(SquaredNormPartials(65537), 2);
}

TEST(CudaLinkTest, TheStartsAreThere) {
  const void* const starts[] = {reinterpret_cast<const void*>(&LaunchMixedAdamW),
                                reinterpret_cast<const void*>(&LaunchSquaredNorm),
                                reinterpret_cast<const void*>(&LaunchRotateAndAppend),
                                reinterpret_cast<const void*>(&LaunchLogitStatistics)};
  EXPECT_THAT(starts, testing::Each(testing::NotNull()));
}

}  // namespace
}  // namespace rwku::engine::cuda
