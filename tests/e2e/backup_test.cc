// A backup of a server at work holds what was told before it began, and goes on to the same
// results.

#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "tests/e2e/cluster.h"
#include "tests/testing/fake_engine.h"
#include "tests/testing/process.h"
#include "tools/synth/dataset_writer.h"
#include "tools/synth/world.h"

namespace rwku::e2e {
namespace {

namespace fs = std::filesystem;

class BackupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / absl::StrCat("backup_test.", getpid());
    fs::remove_all(root_);
    fs::create_directories(root_ / "models");
    ASSERT_TRUE(testing::WriteFakeModel(root_ / "models" / "fake", 1).ok());
    synth::DatasetOptions options;
    options.corpus_texts = 16;
    const auto world = synth::MakeWorld(7, 4);
    ASSERT_TRUE(world.ok());
    ASSERT_TRUE(synth::WriteDataset(*world, 7, options, root_ / "datasets" / "synthetic").ok());
  }
  void TearDown() override {
    if (!HasFailure()) {
      fs::remove_all(root_);
    }
  }

  ClusterOptions Options(const std::string& name) const {
    ClusterOptions options;
    options.root = root_ / name;
    options.models = root_ / "models";
    options.datasets = root_ / "datasets";
    options.worker_env = {{"RWKU_FAKE_STEP_MS", "5"}, {"RWKU_FAKE_ITEM_MS", "1"}};
    return options;
  }

  // `rwku-server --backup-to` into the data folder of the cluster `copy`.
  void BackUp(const std::string& from, const std::string& copy) const {
    fs::create_directories(root_ / copy);
    testing::ProcessOptions options;
    options.argv = {(fs::path(std::getenv("RWKU_BINARY_DIR")) / "bin/rwku-server").string(),
                    "--data", (root_ / from / "data").string(), "--backup-to",
                    (root_ / copy / "data").string()};
    auto process = testing::Process::Start(options);
    ASSERT_TRUE(process.ok()) << process.status();
    const auto exit = process->Wait(absl::Seconds(60));
    ASSERT_TRUE(exit.ok()) << exit.status();
    ASSERT_EQ(exit->code, 0) << exit->ToString();
  }

  fs::path root_;
};

TEST_F(BackupTest, ACopyOfAServerAtWorkGoesOnToTheSameResults) {
  v1::CreateRunRequest request;
  request.mutable_spec()->set_model("fake");
  request.mutable_spec()->set_dataset("synthetic");
  for (const char* method : {"original", "ga", "npo"}) {
    request.mutable_spec()->add_recipes()->set_method(method);
  }
  Cluster live(Options("live"));
  ASSERT_TRUE(live.StartServer().ok()) << live.Logs();
  ASSERT_TRUE(live.StartWorker("w0").ok());
  const auto run = live.client().CreateRun(request);
  ASSERT_TRUE(run.ok()) << run.status();

  // At the first job's end, in the middle of the run.
  int succeeded = 0;
  const auto end = live.client().WatchRun(run->name(), {}, [&](const v1::RunEvent& event) {
    if (event.has_job() && event.job().state() == v1::JOB_STATE_SUCCEEDED && ++succeeded == 2) {
      BackUp("live", "copy");
    }
  });
  ASSERT_TRUE(end.ok()) << end.status() << live.Logs();
  ASSERT_TRUE(fs::exists(root_ / "copy/data"));
  const auto expected = ResultsOf(live.client(), run->name());
  ASSERT_TRUE(expected.ok()) << expected.status();

  Cluster copy(Options("copy"));
  ASSERT_TRUE(copy.StartServer().ok()) << copy.Logs();
  const auto jobs = copy.client().ListJobs(run->name());
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  int kept = 0;
  for (const v1::Job& job : *jobs) {
    kept += job.state() == v1::JOB_STATE_SUCCEEDED ? 1 : 0;
  }
  EXPECT_GE(kept, 2) << "what was told before the backup began";
  EXPECT_LT(kept, static_cast<int>(jobs->size())) << "the backup came too late to show anything";
  ASSERT_TRUE(copy.StartWorker("w1").ok());
  const auto again = copy.client().WatchRun(run->name(), {}, [](const v1::RunEvent&) {});
  ASSERT_TRUE(again.ok()) << again.status() << copy.Logs();
  const auto found = ResultsOf(copy.client(), run->name());
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(*found, *expected);
}

}  // namespace
}  // namespace rwku::e2e
