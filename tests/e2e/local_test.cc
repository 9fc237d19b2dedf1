// `rwku local` as people use it: the command line, and the server and workers that it starts.

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "client/local/cores.h"
#include "tests/testing/fake_engine.h"
#include "tests/testing/process.h"
#include "tools/synth/dataset_writer.h"
#include "tools/synth/world.h"

namespace rwku::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr absl::Duration kTimeout = absl::Minutes(1);

class LocalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) /
            absl::StrCat("local_test.", getpid(), ".",
                         ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_ / "models");
    ASSERT_TRUE(testing::WriteFakeModel(root_ / "models" / "fake", 1).ok());
    ASSERT_TRUE(testing::WriteFakeModel(root_ / "others" / "fake", 2).ok());
    synth::DatasetOptions options;
    options.corpus_texts = 8;
    const auto world = synth::MakeWorld(7, 2);
    ASSERT_TRUE(world.ok());
    ASSERT_TRUE(synth::WriteDataset(*world, 7, options, root_ / "datasets" / "synthetic").ok());
  }
  void TearDown() override {
    if (!HasFailure()) {
      fs::remove_all(root_);
    }
  }

  fs::path Out() const { return root_ / "stdout"; }
  std::string Errors() const { return ReadFile(root_ / "stderr").value_or(""); }

  // Starts `rwku local` on the test's data folder. A training step takes `step_ms`.
  testing::Process Start(std::vector<std::string> arguments, int step_ms = 0) {
    const char* build = std::getenv("RWKU_BINARY_DIR");
    const fs::path bin = fs::path(build == nullptr ? "." : build) / "bin";
    arguments.insert(arguments.begin(), {(bin / "rwku").string(), "local", "--data-dir",
                                         (root_ / "data").string(), "--device", "cpu"});
    fs::remove(Out());
    fs::remove(root_ / "stderr");
    testing::ProcessOptions options;
    options.argv = std::move(arguments);
    options.env = {{"RWKU_WORKER_BINARY", (bin / "rwku-worker-fake").string()},
                   {"RWKU_FAKE_STEP_MS", absl::StrCat(step_ms)}};
    options.stdout_file = Out();
    options.stderr_file = root_ / "stderr";
    options.working_directory = root_;
    return *testing::Process::Start(options);
  }

  // The exit code of `rwku local`.
  int Run(std::vector<std::string> arguments) {
    testing::Process process = Start(std::move(arguments));
    const auto exit = process.Wait(kTimeout);
    EXPECT_TRUE(exit.ok()) << exit.status();
    return exit.ok() ? exit->code.value_or(-1) : -1;
  }

  // The command lines of living processes that name the test's folder.
  std::vector<std::string> Processes() const {
    std::vector<std::string> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc", error)) {
      const std::string command = ReadFile(entry.path() / "cmdline").value_or("");
      if (command.find(root_.string()) != std::string::npos) {
        found.push_back(command);
      }
    }
    return found;
  }

  // Name of the newest run.
  std::string NewestRun() {
    EXPECT_EQ(Run({"list", "--limit", "1"}), 0) << Errors();
    std::ifstream list(Out());
    std::string header;
    std::string run;
    std::getline(list, header);
    list >> run;
    return run;
  }

  fs::path root_;
};

TEST_F(LocalTest, CtrlCEndsEveryProcessAndTheRunGoesOnLater) {
  constexpr int kStepMs = 100;
  testing::Process submit = Start({"--workers", "2", "submit", "--model", "models/fake",
                                   "--dataset", "datasets/synthetic", "--method", "ga,epochs=100"},
                                  kStepMs);
  const absl::Status running = testing::WaitForText(Out(), "running on local-", kTimeout);
  ASSERT_TRUE(running.ok()) << running << Errors();
  EXPECT_EQ(Processes().size(), 4u);  // itself, the server and two workers
  const int threads = local::ThreadsPerWorker(local::UsableCores(), 2);
  // Arguments as /proc shows them.
  const std::string zero(1, '\0');
  EXPECT_THAT(Processes(),
              Contains(HasSubstr(absl::StrCat("--threads", zero, threads, zero))).Times(2));

  ASSERT_TRUE(submit.Signal(SIGINT).ok());
  const auto exit = submit.Wait(kTimeout);
  ASSERT_TRUE(exit.ok()) << exit.status();
  EXPECT_EQ(exit->code, 130) << exit->ToString() << Errors();
  EXPECT_THAT(Processes(), IsEmpty());
  EXPECT_THAT(Errors(), HasSubstr("is kept; continue it with: "));

  const std::string run = NewestRun();
  EXPECT_EQ(Run({"watch", run}), 0) << Errors();
  EXPECT_THAT(ReadFile(Out()).value_or(""), HasSubstr(": succeeded ("));
  EXPECT_EQ(Run({"submit", "--model", "fake", "--dataset", "synthetic", "--method", "icu"}), 0)
      << Errors();
  EXPECT_THAT(Processes(), IsEmpty());
}

TEST_F(LocalTest, TheWorkersShareTheCoresAndItSaysHow) {
  const int cores = local::UsableCores();
  const auto words = [](int count, const std::string& thing) {
    return absl::StrCat(count, " ", thing, count == 1 ? "" : "s");
  };
  struct Case {
    std::vector<std::string> flags;
    std::string said;
  };
  const std::vector<Case> cases = {
      {{}, absl::StrCat("1 worker with ", words(cores, "thread"))},
      {{"--workers", "2"},
       absl::StrCat("2 workers with ", words(local::ThreadsPerWorker(cores, 2), "thread"),
                    " each")},
      {{"--threads", "3"}, "1 worker with 3 threads"}};
  for (const Case& one : cases) {
    std::vector<std::string> arguments = one.flags;
    arguments.insert(arguments.end(), {"submit", "--model", "models/fake", "--dataset",
                                       "datasets/synthetic", "--method", "icu"});
    EXPECT_EQ(Run(arguments), 0) << Errors();
    EXPECT_THAT(Errors(),
                HasSubstr(absl::StrCat("local: ", one.said, ", on ", words(cores, "core"), "\n")));
  }
  // What needs no workers says nothing of them.
  EXPECT_EQ(Run({"list"}), 0);
  EXPECT_THAT(Errors(), Not(HasSubstr("worker")));
}

TEST_F(LocalTest, RunsKeepTheFoldersThatTheyWereSubmittedWith) {
  ASSERT_EQ(Run({"submit", "--detach", "--model", "models/fake", "--dataset", "datasets/synthetic",
                 "--method", "icu"}),
            0)
      << Errors();
  const std::string run = NewestRun();

  EXPECT_EQ(Run({"--models", "others", "watch", run}), 2);
  EXPECT_THAT(Errors(), AllOf(HasSubstr((root_ / "models").string()),
                              HasSubstr((root_ / "others").string()), HasSubstr("--data-dir")));
  EXPECT_EQ(Run({"submit", "--detach", "--model", "others/fake", "--dataset", "datasets/synthetic",
                 "--method", "icu"}),
            2);
  // What needs no workers works, whatever folders it is told and whether they are there.
  EXPECT_EQ(Run({"--models", "others", "status", run}), 0) << Errors();
  fs::rename(root_ / "datasets", root_ / "moved");
  EXPECT_EQ(Run({"status", run}), 0) << Errors();
  fs::rename(root_ / "moved", root_ / "datasets");

  EXPECT_EQ(Run({"watch", run}), 0) << Errors();
  // No run is left that the other folder could spoil.
  EXPECT_EQ(Run({"submit", "--model", "others/fake", "--dataset", "synthetic", "--method", "icu"}),
            0)
      << Errors();
}

TEST_F(LocalTest, ACancelledRunMakesRoomForOtherFolders) {
  ASSERT_EQ(Run({"submit", "--detach", "--model", "models/fake", "--dataset", "datasets/synthetic",
                 "--method", "icu"}),
            0)
      << Errors();
  ASSERT_EQ(Run({"cancel", NewestRun()}), 0) << Errors();
  EXPECT_EQ(Run({"submit", "--model", "others/fake", "--dataset", "synthetic", "--method", "icu"}),
            0)
      << Errors();
}

}  // namespace
}  // namespace rwku::e2e
