// The emulation does what CUDA does, and finds planted faults.
#include "worker/engine/cuda/emulation.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/cuda/device.h"

namespace rwku::engine::cuda::emulation {
namespace {

using testing::HasSubstr;

// What a launch throws; "" for nothing.
std::string FaultOf(unsigned threads, const std::function<void()>& kernel, unsigned blocks = 1) {
  try {
    Launch(dim3{blocks}, dim3{threads}, kernel);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "";
}

// out[t] = x[n - 1 - t] by way of shared memory.
void Reverse(const std::vector<int>& x, std::vector<int>& out, bool has_barrier) {
  RWKU_SHARED_ARRAY(int, shared, 96);
  const unsigned t = threadIdx.x;
  shared[t] = x[t];
  if (has_barrier) {
    __syncthreads();
  }
  out[t] = shared[blockDim.x - 1 - t];
}

class EmulationTest : public testing::TestWithParam<Order> {
 protected:
  void SetUp() override { SetOrder(GetParam()); }
  void TearDown() override { SetOrder(Order::kAscending); }
};

TEST_P(EmulationTest, EveryThreadOfEveryBlockRunsOnce) {
  std::vector<int> runs(size_t{5} * 33);
  Launch(dim3{5}, dim3{33}, [&] {
    EXPECT_EQ(gridDim.x, 5);
    ++runs[blockIdx.x * blockDim.x + threadIdx.x];
  });
  EXPECT_THAT(runs, testing::Each(1));
}

TEST_P(EmulationTest, ABarrierMakesWritesOfOtherThreadsVisible) {
  std::vector<int> x(96);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<int>(i);
  }
  std::vector<int> out(96);
  EXPECT_EQ(FaultOf(96, [&] { Reverse(x, out, true); }), "");
  std::reverse(x.begin(), x.end());
  EXPECT_EQ(out, x);
}

TEST_P(EmulationTest, AMissingBarrierIsFound) {
  const std::vector<int> x(96, 1);
  std::vector<int> out(96);
  EXPECT_THAT(FaultOf(96, [&] { Reverse(x, out, false); }), HasSubstr("shared memory that"));
  // And the machine goes on after it.
  EXPECT_EQ(FaultOf(96, [&] { Reverse(x, out, true); }), "");
}

TEST_P(EmulationTest, AMissingBarrierBeforeMemoryIsUsedAgainIsFound) {
  const auto kernel = [](bool has_barrier) {
    return [has_barrier] {
      RWKU_SHARED_ARRAY(int, shared, 1);
      for (int round = 0; round < 2; ++round) {
        if (threadIdx.x == 0) {
          shared[0] = round;
        }
        __syncthreads();
        EXPECT_EQ(shared[0], round);
        if (has_barrier) {
          __syncthreads();
        }
      }
    };
  };
  EXPECT_EQ(FaultOf(64, kernel(true)), "");
  EXPECT_THAT(FaultOf(64, kernel(false)), HasSubstr("shared memory that another thread"));
}

TEST_P(EmulationTest, SharedMemoryThatIsReadBeforeItIsWrittenIsFoundInEveryBlock) {
  const auto kernel = [] {
    RWKU_SHARED_ARRAY(int, shared, 1);
    if (blockIdx.x == 0) {
      shared[0] = 1;
    }
    return static_cast<void>(static_cast<int>(shared[0]));
  };
  EXPECT_THAT(FaultOf(1, kernel, 2), HasSubstr("not written"));
}

TEST_P(EmulationTest, AnIndexBeyondSharedMemoryIsFound) {
  EXPECT_THAT(FaultOf(33,
                      [] {
                        RWKU_SHARED_ARRAY(int, shared, 32);
                        shared[threadIdx.x] = 1;
                      }),
              HasSubstr("index beyond"));
}

TEST_P(EmulationTest, ABarrierThatNotAllThreadsReachIsFound) {
  const auto left_out = [] {
    if (threadIdx.x != 40) {
      __syncthreads();
    }
  };
  EXPECT_THAT(FaultOf(64, left_out), HasSubstr("divergent barrier"));
  const auto two_barriers = [] {
    if (threadIdx.x < 32) {
      __syncthreads();
    } else {
      __syncthreads();
    }
  };
  EXPECT_THAT(FaultOf(64, two_barriers), HasSubstr("divergent barrier"));
}

TEST_P(EmulationTest, AShuffleExchangesLanesOfAWarp) {
  std::vector<double> out(64);
  EXPECT_EQ(FaultOf(64,
                    [&] {
                      double sum = threadIdx.x;
                      for (int mask = 16; mask > 0; mask /= 2) {
                        sum += __shfl_xor_sync(0xffffffffU, sum, mask);
                      }
                      out[threadIdx.x] = sum;
                    }),
            "");
  for (size_t t = 0; t < 64; ++t) {
    EXPECT_EQ(out[t], t < 32 ? 496 : 1520);
  }
}

TEST_P(EmulationTest, AShuffleThatNotAllLanesReachIsFound) {
  const auto shuffle = [] { return __shfl_xor_sync(0xffffffffU, 1, 1); };
  EXPECT_THAT(FaultOf(64,
                      [&] {
                        if (threadIdx.x != 3) {
                          shuffle();
                        }
                      }),
              HasSubstr("divergent shuffle"));
  EXPECT_THAT(FaultOf(40, shuffle), HasSubstr("not whole warps"));
  EXPECT_THAT(FaultOf(32, [] { __shfl_xor_sync(1U, 1, 1); }), HasSubstr("less than a warp"));
  EXPECT_THAT(FaultOf(32, [] { __shfl_xor_sync(0xffffffffU, 1, 32); }), HasSubstr("with lane"));
}

TEST_P(EmulationTest, ALaunchThatCudaRefusesIsRefused) {
  EXPECT_THAT(FaultOf(1025, [] {}), HasSubstr("a launch of"));
  EXPECT_THAT(FaultOf(0, [] {}), HasSubstr("a launch of"));
  EXPECT_THAT(FaultOf(
                  32, [] {}, 0),
              HasSubstr("a launch of"));
}

INSTANTIATE_TEST_SUITE_P(Orders, EmulationTest,
                         testing::Values(Order::kAscending, Order::kDescending, Order::kShuffled));

using EmulationDeathTest = testing::Test;

TEST_F(EmulationDeathTest, AWriteOutOfBoundsIsFoundByAddressSanitizer) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  std::vector<int> memory(63);
  EXPECT_DEATH(Launch(dim3{1}, dim3{64}, [&] { memory.data()[threadIdx.x] = 1; }),
               "heap-buffer-overflow");
}

TEST_F(EmulationDeathTest, AMisalignedVectorIsFoundByUndefinedBehaviorSanitizer) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  std::vector<float> memory(8);
  EXPECT_DEATH(Launch(dim3{1}, dim3{1},
                      [&] {
                        const auto* const p = reinterpret_cast<const float4*>(memory.data() + 1);
                        memory[0] = p->x;
                      }),
               "misaligned address");
}

}  // namespace
}  // namespace rwku::engine::cuda::emulation
