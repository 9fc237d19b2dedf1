#include "tests/testing/process.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <sys/wait.h>

#include "base/file.h"

namespace rwku::testing {
namespace {

using ::testing::HasSubstr;

std::filesystem::path Scratch(const std::string& name) {
  const std::filesystem::path path =
      std::filesystem::path(::testing::TempDir()) / absl::StrCat("process_test_", getpid(), name);
  std::filesystem::remove(path);
  return path;
}

// Whether a process that is nobody's child any more ends soon. An orphan stays a zombie until
// whoever adopted it looks: ended is all that counts.
bool HasEnded(pid_t orphan) {
  return WaitUntil("an orphan's end", absl::Seconds(10),
                   [orphan] {
                     const absl::StatusOr<std::string> stat =
                         ReadFile(absl::StrCat("/proc/", orphan, "/stat"));
                     return !stat.ok() || stat->find(") Z ") != std::string::npos;
                   })
      .ok();
}

TEST(ProcessTest, TellsTheExitCode) {
  absl::StatusOr<Process> child = Process::Start({.argv = {"sh", "-c", "exit 7"}});
  ASSERT_TRUE(child.ok()) << child.status();
  const absl::StatusOr<ProcessExit> end = child->Wait(absl::Seconds(10));
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->ToString(), "exit code 7");
}

TEST(ProcessTest, TellsTheSignalThatEndedTheChild) {
  absl::StatusOr<Process> child = Process::Start({.argv = {"sleep", "1000"}});
  ASSERT_TRUE(child.ok()) << child.status();
  ASSERT_TRUE(child->Signal(SIGTERM).ok());
  const absl::StatusOr<ProcessExit> end = child->Wait(absl::Seconds(10));
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->ToString(), "signal 15");
}

TEST(ProcessTest, NamesAProgramThatDoesNotExist) {
  const absl::StatusOr<Process> child = Process::Start({.argv = {"/no/such/program"}});
  EXPECT_EQ(child.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(child.status().message()), HasSubstr("/no/such/program"));
}

TEST(ProcessTest, GivesUpWaitingAtTheDeadlineAndLeavesTheChildRunning) {
  absl::StatusOr<Process> child = Process::Start({.argv = {"sleep", "1000"}});
  ASSERT_TRUE(child.ok()) << child.status();
  EXPECT_EQ(child->Wait(absl::Milliseconds(20)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(child->Running());
}

TEST(ProcessTest, PassesTheEnvironmentAndCollectsTheOutput) {
  const std::filesystem::path out = Scratch("out");
  absl::StatusOr<Process> child =
      Process::Start({.argv = {"sh", "-c", "echo $RWKU_PROCESS_TEST; cat"},
                      .env = {{"RWKU_PROCESS_TEST", "hello"}},
                      .stdout_file = out});
  ASSERT_TRUE(child.ok()) << child.status();
  EXPECT_EQ(WaitForLine(out, absl::Seconds(10)).value_or("nothing"), "hello");
  EXPECT_EQ(child->Wait(absl::Seconds(10))->ToString(), "exit code 0");
}

TEST(ProcessTest, DestructionKillsTheWholeGroup) {
  const std::filesystem::path out = Scratch("pid");
  pid_t grandchild = 0;
  {
    absl::StatusOr<Process> child =
        Process::Start({.argv = {"sh", "-c", "sleep 1000 & echo $!; wait"}, .stdout_file = out});
    ASSERT_TRUE(child.ok()) << child.status();
    grandchild = std::stoi(WaitForLine(out, absl::Seconds(10)).value_or("0"));
    ASSERT_GT(grandchild, 0);
    ASSERT_EQ(kill(grandchild, 0), 0);
  }
  EXPECT_TRUE(HasEnded(grandchild));
}

TEST(ProcessTest, AChildDoesNotOutliveATestThatIsKilled) {
  const std::filesystem::path out = Scratch("orphan");
  const pid_t test = fork();
  ASSERT_GE(test, 0);
  if (test == 0) {
    const absl::StatusOr<Process> child =
        Process::Start({.argv = {"sh", "-c", "echo $$; exec sleep 1000"}, .stdout_file = out});
    pause();
    _exit(child.ok() ? 0 : 1);
  }
  const pid_t child = std::stoi(WaitForLine(out, absl::Seconds(10)).value_or("0"));
  EXPECT_GT(child, 0);
  kill(test, SIGKILL);
  waitpid(test, nullptr, 0);
  EXPECT_TRUE(HasEnded(child));
}

TEST(ProcessTest, WaitForTextNamesFileAndTextAtTheDeadline) {
  const absl::Status status = WaitForText(Scratch("none"), "ready", absl::Milliseconds(10));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()), HasSubstr("ready"));
}

}  // namespace
}  // namespace rwku::testing
