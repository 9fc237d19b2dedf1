#include "client/local/cores.h"

#include <sched.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rwku::local {
namespace {

namespace fs = std::filesystem;

// A machine whose control groups are files of the test; its processors are this one's.
class CoresTest : public ::testing::Test {
 protected:
  CoresTest()
      : root_(fs::path(::testing::TempDir()) /
              absl::StrCat("cores_test_", getpid(), "_",
                           ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(root_);
  }
  ~CoresTest() override { fs::remove_all(root_); }

  void Write(const fs::path& file, const std::string& text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }

  const fs::path root_;
};

int Affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
  return CPU_COUNT(&set);
}

// Leaves this thread one processor.
class OneProcessor {
 public:
  OneProcessor() {
    sched_getaffinity(0, sizeof(before_), &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    int first = 0;
    while (!CPU_ISSET(first, &before_)) {
      ++first;
    }
    CPU_SET(first, &one);
    sched_setaffinity(0, sizeof(one), &one);
  }
  ~OneProcessor() { sched_setaffinity(0, sizeof(before_), &before_); }

 private:
  cpu_set_t before_{};
};

TEST_F(CoresTest, WithoutControlGroupsTheAffinityMaskCounts) {
  EXPECT_EQ(UsableCores(root_), Affinity());
  const OneProcessor limit;
  EXPECT_EQ(UsableCores(root_), 1);
}

TEST_F(CoresTest, AQuotaOfVersionTwoLimits) {
  Write("proc/self/cgroup", "0::/a/b\n");
  Write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(UsableCores(root_), Affinity());
  Write("sys/fs/cgroup/a/b/cpu.max", "199999 100000\n");
  EXPECT_EQ(UsableCores(root_), 1);
  Write("sys/fs/cgroup/a/b/cpu.max", "6400000000 100000\n");
  EXPECT_EQ(UsableCores(root_), Affinity());
  Write("sys/fs/cgroup/a/b/cpu.max", "20000 100000\n");
  EXPECT_EQ(UsableCores(root_), 1);
}

TEST_F(CoresTest, AQuotaOfAGroupAboveLimitsToo) {
  Write("proc/self/cgroup", "0::/a/b\n");
  Write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  Write("sys/fs/cgroup/a/cpu.max", "100000 100000\n");
  EXPECT_EQ(UsableCores(root_), 1);
}

TEST_F(CoresTest, InAContainerThePathMayBeTheHosts) {
  Write("proc/self/cgroup", "0::/kubepods/pod1/container2\n");
  Write("sys/fs/cgroup/cpu.max", "100000 100000\n");
  EXPECT_EQ(UsableCores(root_), 1);
}

TEST_F(CoresTest, AQuotaOfVersionOneLimits) {
  Write("proc/self/cgroup", "5:memory:/a\n4:cpuacct,cpu:/a\n0::/\n");
  Write("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "50000\n");
  Write("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(UsableCores(root_), Affinity());
  Write("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000\n");
  EXPECT_EQ(UsableCores(root_), 1);
}

TEST_F(CoresTest, WhatCannotBeUnderstoodLimitsNothing) {
  Write("proc/self/cgroup", "nonsense\n0::/\n\n:::::\n");
  for (const char* text : {"", "100000", "a b", "100000 0", "-5 100000", "1 2 3"}) {
    Write("sys/fs/cgroup/cpu.max", text);
    EXPECT_EQ(UsableCores(root_), Affinity()) << text;
  }
}

TEST(ThreadsPerWorkerTest, WorkersTimesThreadsAreTheCores) {
  EXPECT_EQ(ThreadsPerWorker(16, 1), 16);
  EXPECT_EQ(ThreadsPerWorker(16, 4), 4);
  EXPECT_EQ(ThreadsPerWorker(7, 2), 3);
  EXPECT_EQ(ThreadsPerWorker(2, 2), 1);
  EXPECT_EQ(ThreadsPerWorker(2, 3), 1);
}

}  // namespace
}  // namespace rwku::local
