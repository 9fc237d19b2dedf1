#include "worker/engine/decode/thread_team.h"

#include <atomic>
#include <cstdint>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace rwku::engine {
namespace {

TEST(ThreadTeamTest, EveryElementIsMetOnceWhateverTheThreadsAndTheGrain) {
  for (const int threads : {1, 2, 3, 5}) {
    ThreadTeam team(threads);
    EXPECT_EQ(team.threads(), threads);
    for (const int64_t count : {0, 1, 7, 1000}) {
      for (const int64_t grain : {1, 3, 1000}) {
        std::vector<int> met(static_cast<size_t>(count));
        std::atomic<bool> is_in_range = true;
        team.For(count, grain, [&](int64_t begin, int64_t end, int thread) {
          if (begin >= end || thread < 0 || thread >= threads) {
            is_in_range = false;
          }
          for (int64_t i = begin; i < end; ++i) {
            ++met[i];
          }
        });
        EXPECT_TRUE(is_in_range);
        EXPECT_EQ(met, std::vector<int>(static_cast<size_t>(count), 1));
      }
    }
  }
}

TEST(ThreadTeamTest, WhatOneLoopWroteTheNextReads) {
  ThreadTeam team(3);
  std::vector<int64_t> values(64, 1);
  std::vector<int64_t> sums(values.size());
  for (int round = 0; round < 2000; ++round) {
    team.For(64, 5, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        sums[i] = values[i] + values[63 - i];
      }
    });
    team.For(64, 7, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        values[i] = sums[63 - i] / 2 + 1;
      }
    });
  }
  EXPECT_EQ(values, std::vector<int64_t>(64, 2001));
}

TEST(ThreadTeamTest, NoTwoPartsRunAtATimeWithOneThreadNumber) {
  ThreadTeam team(4);
  std::vector<std::atomic<int>> inside(4);
  std::atomic<bool> is_alone = true;
  for (int round = 0; round < 200; ++round) {
    team.For(40, 1, [&](int64_t, int64_t, int thread) {
      if (inside[thread].fetch_add(1) != 0) {
        is_alone = false;
      }
      inside[thread].fetch_sub(1);
    });
  }
  EXPECT_TRUE(is_alone);
}

TEST(ThreadTeamTest, HelpersThatFellAsleepComeBack) {
  ThreadTeam team(2);
  // Each part waits for the other, so that the loop ends only where both threads run one.
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> arrived = 0;
    team.For(2, 1, [&](int64_t, int64_t, int) {
      ++arrived;
      while (arrived < 2) {
      }
    });
    EXPECT_EQ(arrived, 2);
    int64_t turns = 0;
    for (int64_t i = 0; i < 200000; ++i) {
      __asm__ volatile("" : "+r"(turns));
    }
  }
}

}  // namespace
}  // namespace rwku::engine
