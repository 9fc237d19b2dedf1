// Sweeps, groups of targets, curves and exports through the command line, on two workers with the
// fake engine.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/e2e/cluster.h"
#include "tests/testing/fake_engine.h"
#include "tools/synth/dataset_writer.h"
#include "tools/synth/world.h"

namespace rwku::e2e {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kTargets = 10;
constexpr absl::Duration kCommandTimeout = absl::Minutes(2);

class SweepTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) /
            absl::StrCat("sweep_test.", getpid(), ".",
                         ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_ / "models");
    ASSERT_TRUE(testing::WriteFakeModel(root_ / "models" / "fake", 1).ok());
    synth::DatasetOptions dataset;
    dataset.corpus_texts = 16;
    const auto world = synth::MakeWorld(7, kTargets);
    ASSERT_TRUE(world.ok());
    ASSERT_TRUE(synth::WriteDataset(*world, 7, dataset, root_ / "datasets" / "synthetic").ok());
    ClusterOptions options;
    options.root = root_ / "cluster";
    options.models = root_ / "models";
    options.datasets = root_ / "datasets";
    options.worker_flags = {"--export-root", (root_ / "exports").string()};
    // Steps that take a while, so that both workers get work; learning rates that destroy a model.
    options.worker_env = {{"RWKU_FAKE_STEP_MS", "5"}, {"RWKU_FAKE_MUTE_LR_E9", "1000000"}};
    cluster_ = std::make_unique<Cluster>(options);
    ASSERT_TRUE(cluster_->StartServer().ok()) << cluster_->Logs();
    ASSERT_TRUE(cluster_->StartWorker("w0").ok());
    ASSERT_TRUE(cluster_->StartWorker("w1").ok());
  }
  void TearDown() override {
    cluster_.reset();
    if (!HasFailure()) {
      fs::remove_all(root_);
    }
  }

  // Standard output of `rwku` with `arguments`, which must succeed.
  std::string Rwku(std::vector<std::string> arguments) {
    const char* build = std::getenv("RWKU_BINARY_DIR");
    arguments.insert(arguments.begin(),
                     {(fs::path(build == nullptr ? "." : build) / "bin" / "rwku").string(),
                      "--server", cluster_->address()});
    testing::ProcessOptions options;
    options.argv = std::move(arguments);
    options.stdout_file = root_ / "stdout";
    options.stderr_file = root_ / "stderr";
    fs::remove(options.stdout_file);
    fs::remove(options.stderr_file);
    auto process = testing::Process::Start(options);
    EXPECT_TRUE(process.ok()) << process.status();
    const auto exit = process->Wait(kCommandTimeout);
    EXPECT_TRUE(exit.ok() && exit->code == 0)
        << ReadFile(options.stderr_file).value_or("") << cluster_->Logs();
    return ReadFile(options.stdout_file).value_or("");
  }

  // Submits, waits, and gives back the name of the run.
  std::string Submit(const std::vector<std::string>& arguments) {
    std::vector<std::string> all = {"--quiet",   "submit",    "--model", "fake",
                                    "--dataset", "synthetic", "--wait"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return std::string(absl::StripAsciiWhitespace(Rwku(all)));
  }

  json Report(const std::string& run, const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {"report", run, "--output", "json"};
    all.insert(all.end(), more.begin(), more.end());
    return json::parse(Rwku(all));
  }

  static std::vector<std::string> Labels(const json& rows) {
    std::vector<std::string> labels;
    for (const json& row : rows) {
      labels.push_back(row["label"]);
    }
    return labels;
  }

  fs::path root_;
  std::unique_ptr<Cluster> cluster_;
};

TEST_F(SweepTest, ASweepLoadsTheModelOnceAWorkerAndItsReportNamesTheFront) {
  const std::string run =
      Submit({"--method", "original", "--method", "npo", "--sweep", "lr=1e-7,3e-7,1e-6", "--sweep",
              "beta=0.1,0.2", "--targets", "1-4"});
  const json jobs = json::parse(Rwku({"jobs", run, "--output", "json"}))["jobs"];
  EXPECT_EQ(jobs.size(), (1 + 3 * 2) * 4U);
  int loads = 0;
  std::set<std::string> workers;
  for (const json& job : jobs) {
    loads += job["result"]["model_loads"].get<int>();
    workers.insert(job["worker"]);
  }
  EXPECT_EQ(workers.size(), 2U);
  EXPECT_EQ(loads, 2);

  const json report = Report(run, {"--neighbor-budget", "0", "--utility-budget", "0"});
  const json& arms = report["selection"]["arms"];
  EXPECT_THAT(Labels(arms), ElementsAre("npo lr=1e-07 beta=0.1", "npo lr=1e-07 beta=0.2",
                                        "npo lr=3e-07 beta=0.1", "npo lr=3e-07 beta=0.2",
                                        "npo lr=1e-06 beta=0.1", "npo lr=1e-06 beta=0.2"));
  int front = 0;
  int selected = 0;
  for (const json& arm : arms) {
    EXPECT_EQ(arm["excluded"], "");
    front += arm["on_front"] ? 1 : 0;
    if (arm["selected"]) {
      ++selected;
      EXPECT_TRUE(arm["on_front"]);
    }
  }
  EXPECT_GE(front, 1);
  EXPECT_EQ(selected, 1);
  EXPECT_THAT(Rwku({"report", run, "--select"}), HasSubstr("\nSelection\n"));
}

TEST_F(SweepTest, BatchesAreRowsOfTheirOwn) {
  const std::string run = Submit({"--method", "original", "--method", "ga", "--batch", "1-2",
                                  "--batch", "1-10", "--sets", "forget_level1,neighbor_level1"});
  const json jobs = json::parse(Rwku({"jobs", run, "--output", "json"}))["jobs"];
  ASSERT_EQ(jobs.size(), 4U);
  EXPECT_EQ(jobs[3]["target"], "1-10");
  EXPECT_EQ(jobs[3]["group_targets"].size(), 10U);
  EXPECT_EQ(jobs[3]["result"]["corpus_texts"], 10 * 16);
  const json main = Report(run)["tables"][0];
  EXPECT_THAT(Labels(main["rows"]),
              ElementsAre("original 1-2", "original 1-10", "ga 1-2", "ga 1-10"));
  EXPECT_EQ(main["rows"][2]["cells"]["forget_fb"]["targets"], 2);
  EXPECT_EQ(main["rows"][3]["cells"]["forget_fb"]["targets"], 10);
}

TEST_F(SweepTest, ASequenceIsACurveOverItsTargets) {
  const std::string run =
      Submit({"--method", "ga", "--sequential", "1-10", "--sets", "forget_level1,neighbor_level1"});
  const json report = Report(run);
  ASSERT_EQ(report["curves"].size(), 1U);
  const json& rows = report["curves"][0]["rows"];
  EXPECT_EQ(report["curves"][0]["title"], "ga 1-10");
  EXPECT_THAT(Labels(rows), ElementsAre("after 1", "after 2", "after 3", "after 4", "after 5",
                                        "after 6", "after 7", "after 8", "after 9", "end"));
  EXPECT_EQ(rows[0]["cells"]["forget_fb"]["targets"], 1);
  EXPECT_EQ(rows[8]["cells"]["forget_fb"]["targets"], 9);
  EXPECT_EQ(rows[9]["cells"]["forget_fb"]["targets"], 10);
  EXPECT_EQ(rows[9]["cells"], report["tables"][0]["rows"][0]["cells"]);
}

TEST_F(SweepTest, EpochsAreACurveAndACollapsedArmIsNoCandidate) {
  const std::string run =
      Submit({"--method", "original", "--method", "ga", "--sweep", "lr=1e-7,0.01", "--targets",
              "1-2", "--evaluate-epochs", "--sets", "forget_level1,neighbor_level1"});
  const json report = Report(run, {"--select"});
  ASSERT_EQ(report["curves"].size(), 1U);
  EXPECT_EQ(report["curves"][0]["title"], "ga lr=1e-07");
  EXPECT_THAT(Labels(report["curves"][0]["rows"]), ElementsAre("epoch 1", "epoch 2", "end"));
  EXPECT_EQ(report["tables"][0]["rows"][2]["jobs_collapsed"], 2);
  EXPECT_EQ(report["selection"]["arms"][1]["excluded"], "2 of 2 jobs collapsed");
  const json jobs = json::parse(Rwku({"jobs", run, "--output", "json"}))["jobs"];
  EXPECT_THAT(jobs.back()["result"]["collapse"].get<std::string>(), HasSubstr("after epoch 1"));
  EXPECT_EQ(jobs.back()["result"]["epochs_trained"], 1);
  EXPECT_THAT(Rwku({"report", run}), HasSubstr("2 of 2 jobs collapsed"));
}

TEST_F(SweepTest, AJobIsExportedByRunningItOnceMore) {
  const std::string run = Submit({"--method", "original", "--method", "npo", "--batch", "1-2",
                                  "--sets", "forget_level1", "--export"});
  EXPECT_FALSE(fs::exists(root_ / "exports" / run / "0"));  // original has nothing to keep
  const auto kept = ReadFile(root_ / "exports" / run / "1" / "weights.txt");
  ASSERT_TRUE(kept.ok()) << kept.status();
  const std::string folder(
      absl::StripAsciiWhitespace(Rwku({"export", absl::StrCat(run, "/1"), "--wait"})));
  EXPECT_NE(folder, absl::StrCat(run, "/1"));
  EXPECT_EQ(ReadFile(root_ / "exports" / folder / "weights.txt").value_or(""), *kept);
}

}  // namespace
}  // namespace rwku::e2e
