#include "client/local/cluster.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rwku::local {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const RealClock kClock;

// One test's folder in this process; removed with it.
class LocalTest : public ::testing::Test {
 protected:
  LocalTest()
      : folder_(fs::path(::testing::TempDir()) /
                absl::StrCat("client_local_", getpid(), "_",
                             ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~LocalTest() override { fs::remove_all(folder_); }

  const fs::path folder_;
};

using ChildProcessTest = LocalTest;
using ClusterTest = LocalTest;
using WatchdogTest = LocalTest;
using WorkerDevicesTest = LocalTest;

// An executable script that `Cluster` takes for a daemon.
std::string Script(const fs::path& path, const std::string& body) {
  std::ofstream(path) << "#!/bin/sh\n" << body;
  fs::permissions(path, fs::perms::owner_all);
  return path.string();
}

TEST_F(ChildProcessTest, AnEarlyEndIsToldWithTheEndOfItsLog) {
  const fs::path log = folder_ / "log";
  std::ofstream(log) << "of an older process\n";
  const auto child =
      ChildProcess::Start("daemon", {"/bin/sh", "-c", "echo one; echo two >&2; exit 3"}, log);
  ASSERT_TRUE(child.ok()) << child.status();
  (*child)->AwaitEnd(kClock, absl::InfiniteDuration());
  const std::string message((*child)->Check().message());
  EXPECT_THAT(message, AllOf(HasSubstr("daemon ended with code 3"), HasSubstr("one | two"),
                             ::testing::Not(HasSubstr("older"))));
}

TEST_F(ChildProcessTest, AMissingProgramIsAnErrorAtOnce) {
  const auto child = ChildProcess::Start("daemon", {"/nowhere/daemon"}, folder_ / "log");
  EXPECT_THAT(std::string(child.status().message()), HasSubstr("No such file or directory"));
}

TEST_F(ChildProcessTest, OneThatIgnoresTheRequestIsKilled) {
  const auto child = ChildProcess::Start(
      "daemon", {"/bin/sh", "-c", "trap '' TERM; while :; do :; done"}, folder_ / "log");
  ASSERT_TRUE(child.ok());
  (*child)->Terminate();
  (*child)->AwaitEnd(kClock, kClock.Monotonic());
  EXPECT_NE(kill((*child)->pid(), 0), 0);
}

TEST_F(ClusterTest, AServerThatEndsEarlyIsToldInItsOwnWords) {
  ClusterOptions options;
  options.server_binary =
      Script(folder_ / "server", "echo 'error: the store is in use by another process'; exit 1\n");
  options.data_dir = folder_ / "data";
  options.clock = &kClock;
  const auto cluster = Cluster::Start(options);
  EXPECT_THAT(std::string(cluster.status().message()),
              HasSubstr("the store is in use by another process"));
}

TEST_F(ClusterTest, AMissingBinaryIsNamedWithItsVariable) {
  ClusterOptions options;
  options.executable = "/nowhere/rwku";
  options.data_dir = folder_;
  options.clock = &kClock;
  const auto cluster = Cluster::Start(options);
  EXPECT_THAT(std::string(cluster.status().message()),
              AllOf(HasSubstr("/nowhere/rwku-server"), HasSubstr("RWKU_SERVER_BINARY")));
}

TEST_F(ClusterTest, StopsWaitingWhenAsked) {
  ClusterOptions options;
  options.server_binary = Script(folder_ / "server", "exec tail -f /dev/null\n");
  options.data_dir = folder_ / "data";
  options.clock = &kClock;
  options.stop_asked = [] { return true; };
  EXPECT_TRUE(absl::IsCancelled(Cluster::Start(options).status()));
}

TEST_F(WatchdogTest, TellsOnceThatTheServerIsGone) {
  ClusterOptions options;
  options.server_binary =
      Script(folder_ / "server", "echo $$ > " + (folder_ / "pid").string() +
                                     "; while [ $# -gt 0 ]; do "
                                     "[ \"$1\" = --port-file ] && echo 1 > \"$2\"; shift; done\n"
                                     "exec tail -f /dev/null\n");
  options.data_dir = folder_ / "data";
  options.clock = &kClock;
  options.with_workers = false;
  const auto cluster = Cluster::Start(options);
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_TRUE((*cluster)->CheckUsable().ok());
  absl::Notification gone;
  const Watchdog watchdog(**cluster, [&gone] { gone.Notify(); });
  pid_t pid = 0;
  std::ifstream(folder_ / "pid") >> pid;
  ASSERT_GT(pid, 0);
  kill(pid, SIGKILL);
  gone.WaitForNotification();
  EXPECT_THAT(std::string((*cluster)->CheckUsable().message()),
              HasSubstr("rwku-server was killed by signal 9"));
}

TEST_F(WorkerDevicesTest, OneAGpuOrOneCpuSlot) {
  EXPECT_THAT(WorkerDevices(folder_, true, 0), ElementsAre("cpu"));
  EXPECT_THAT(WorkerDevices(folder_, true, 2), ElementsAre("cpu", "cpu"));
  std::ofstream(folder_ / "nvidia0") << "";
  std::ofstream(folder_ / "nvidia1") << "";
  EXPECT_THAT(WorkerDevices(folder_, true, 0), ElementsAre("cuda:0", "cuda:1"));
  EXPECT_THAT(WorkerDevices(folder_, true, 3), ElementsAre("cuda:0", "cuda:1", "cuda:0"));
  // A build without CUDA on a machine with GPUs.
  EXPECT_THAT(WorkerDevices(folder_, false, 2), ElementsAre("cpu", "cpu"));
}

}  // namespace
}  // namespace rwku::local
