#include "worker/engine/memory/host_memory.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/testing/temporary_folder.h"

namespace rwku::engine {
namespace {

constexpr int64_t kKiB = 1024;
constexpr int64_t kGiB = int64_t{1} << 30;

class HostMemoryTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& contents) const {
    const std::filesystem::path path = folder_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << contents;
  }

  void SetUp() override {
    Write("proc/meminfo",
          "MemTotal:       67108864 kB\nMemFree:  1 kB\nMemAvailable:   50331648 kB\n");
  }

  HostMemory Read() const { return ReadHostMemory(folder_.path()); }

  rwku::testing::TemporaryFolder folder_;
};

TEST_F(HostMemoryTest, TheHostAloneWithoutGroups) {
  EXPECT_EQ(Read().total_bytes, 64 * kGiB);
  EXPECT_EQ(Read().available_bytes, 48 * kGiB);
}

TEST_F(HostMemoryTest, NothingIsKnownWithoutFiles) {
  const HostMemory memory = ReadHostMemory(folder_.path() / "nowhere");
  EXPECT_EQ(memory.total_bytes, 0);
  EXPECT_EQ(memory.available_bytes, 0);
}

TEST_F(HostMemoryTest, Version2CountsUsageWithoutInactiveFiles) {
  Write("proc/self/cgroup", "0::/pods/worker\n");
  Write("sys/fs/cgroup/pods/worker/memory.max", "8589934592\n");
  Write("sys/fs/cgroup/pods/worker/memory.current", "6442450944\n");
  Write("sys/fs/cgroup/pods/worker/memory.stat",
        "anon 1\nfile 5\nactive_file 1\ninactive_file 1073741824\n");
  EXPECT_EQ(Read().total_bytes, 8 * kGiB);
  EXPECT_EQ(Read().available_bytes, 3 * kGiB);
}

TEST_F(HostMemoryTest, Version2WithoutALimitIsTheHosts) {
  Write("proc/self/cgroup", "0::/worker\n");
  Write("sys/fs/cgroup/worker/memory.max", "max\n");
  Write("sys/fs/cgroup/worker/memory.current", "6442450944\n");
  EXPECT_EQ(Read().total_bytes, 64 * kGiB);
  EXPECT_EQ(Read().available_bytes, 48 * kGiB);
}

TEST_F(HostMemoryTest, AGroupAboveMayBeTighter) {
  Write("proc/self/cgroup", "0::/pods/worker\n");
  Write("sys/fs/cgroup/pods/worker/memory.max", "8589934592\n");
  Write("sys/fs/cgroup/pods/worker/memory.current", "1073741824\n");
  Write("sys/fs/cgroup/pods/memory.max", "9663676416\n");
  Write("sys/fs/cgroup/pods/memory.current", "7516192768\n");
  EXPECT_EQ(Read().total_bytes, 8 * kGiB);
  EXPECT_EQ(Read().available_bytes, 2 * kGiB);
}

TEST_F(HostMemoryTest, Version1) {
  Write("proc/self/cgroup", "5:cpu,cpuacct:/other\n4:memory:/docker/abc\n0::/\n");
  Write("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "4294967296\n");
  Write("sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "3221225472\n");
  Write("sys/fs/cgroup/memory/docker/abc/memory.stat",
        "inactive_file 1\ntotal_inactive_file 2147483648\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(Read().total_bytes, 4 * kGiB);
  EXPECT_EQ(Read().available_bytes, 3 * kGiB);
}

TEST_F(HostMemoryTest, AContainerSeesItsGroupAsTheRoot) {
  Write("proc/self/cgroup", "0::/../../kubepods/pod1\n");
  Write("sys/fs/cgroup/memory.max", "2147483648\n");
  Write("sys/fs/cgroup/memory.current", "1073741824\n");
  EXPECT_EQ(Read().total_bytes, 2 * kGiB);
  EXPECT_EQ(Read().available_bytes, kGiB);
}

TEST_F(HostMemoryTest, ALimitAboveTheHostsMemoryChangesNothing) {
  Write("proc/self/cgroup", "0::/worker\n");
  Write("sys/fs/cgroup/worker/memory.max", "1099511627776\n");
  Write("sys/fs/cgroup/worker/memory.current", "0\n");
  EXPECT_EQ(Read().total_bytes, 64 * kGiB);
  EXPECT_EQ(Read().available_bytes, 48 * kGiB);
}

TEST_F(HostMemoryTest, AFullGroupHasAlmostNothing) {
  Write("proc/self/cgroup", "0::/worker\n");
  Write("sys/fs/cgroup/worker/memory.max", "1048576\n");
  Write("sys/fs/cgroup/worker/memory.current", "1048576\n");
  EXPECT_EQ(Read().available_bytes, 1);
}

TEST(HostMemoryParsersTest, TakeWhatTheyKnow) {
  EXPECT_EQ(ParseMeminfo("MemTotal:  9 kB\nMemAvailable:    123 kB\n", "MemAvailable"), 123 * kKiB);
  EXPECT_EQ(ParseMeminfo("MemTotal:  9 kB\n", "MemAvailable"), 0);
  EXPECT_EQ(ParseMemoryLimit("max\n"), std::nullopt);
  EXPECT_EQ(ParseMemoryLimit(""), std::nullopt);
  EXPECT_EQ(ParseMemoryLimit("-1"), std::nullopt);
  EXPECT_EQ(ParseMemoryLimit("9223372036854771712\n"), std::nullopt);
  EXPECT_EQ(ParseMemoryLimit("0\n"), 0);
  EXPECT_EQ(ParseMemoryStat("inactive_file_pages 7\ninactive_file 9\n", "inactive_file"), 9);
  EXPECT_EQ(ParseMemoryStat("anon 7\n", "inactive_file"), 0);
  EXPECT_TRUE(ParseMemoryGroups("12:memoryx:/a\nrubbish\n").empty());
}

// Whatever the machine is: a process always has some memory.
TEST(HostMemoryOfThisMachineTest, IsKnown) {
  const HostMemory memory = ReadHostMemory();
  EXPECT_GT(memory.total_bytes, 0);
  EXPECT_GT(memory.available_bytes, 0);
  EXPECT_LE(memory.available_bytes, memory.total_bytes);
}

}  // namespace
}  // namespace rwku::engine
