// The real engine behind the real command line: a small model of an invented world, and the
// benchmark's real target 1.

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/e2e/cluster.h"
#include "tools/synth/dataset_writer.h"
#include "tools/synth/tiny_model.h"
#include "tools/synth/world.h"

namespace rwku::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int kTargets = 3;
constexpr absl::Duration kCommandTimeout = absl::Minutes(4);

// One model and dataset for all tests of this file; what it knows does not matter here.
class RealModelTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    root_ =
        new fs::path(fs::path(::testing::TempDir()) / absl::StrCat("real_model_test.", getpid()));
    fs::remove_all(*root_);
    fs::create_directories(*root_ / "models");
    const auto world = synth::MakeWorld(7, kTargets);
    ASSERT_TRUE(world.ok());
    ASSERT_TRUE(synth::WriteDataset(*world, 7, {}, *root_ / "datasets" / "synthetic").ok());
    synth::TinyModelOptions options;
    options.steps = 40;
    options.threads = 1;
    const absl::Status made = synth::MakeTinyModel(
        *world, options, [](const auto&) {}, *root_ / "models" / "tiny");
    ASSERT_TRUE(made.ok()) << made;
  }
  static void TearDownTestSuite() {
    fs::remove_all(*root_);
    delete root_;
  }

  struct Outcome {
    std::string text;  // standard output
    std::string errors;
    int code = -1;
  };

  // Runs `rwku` with `arguments` to its end.
  static Outcome Rwku(std::vector<std::string> arguments) {
    const fs::path out = *root_ / "stdout";
    const fs::path err = *root_ / "stderr";
    fs::remove(out);
    fs::remove(err);
    const char* build = std::getenv("RWKU_BINARY_DIR");
    arguments.insert(arguments.begin(),
                     (fs::path(build == nullptr ? "." : build) / "bin" / "rwku").string());
    testing::ProcessOptions options;
    options.argv = std::move(arguments);
    options.stdout_file = out;
    options.stderr_file = err;
    Outcome outcome;
    auto process = testing::Process::Start(options);
    EXPECT_TRUE(process.ok()) << process.status();
    const auto exit = process->Wait(kCommandTimeout);
    EXPECT_TRUE(exit.ok()) << exit.status();
    outcome.code = exit.ok() ? exit->code.value_or(-1) : -1;
    outcome.text = ReadFile(out).value_or("");
    outcome.errors = ReadFile(err).value_or("");
    return outcome;
  }

  // A cluster of real workers.
  static ClusterOptions Options(const std::string& name) {
    ClusterOptions options;
    options.root = *root_ / name;
    options.worker_binary = "bin/rwku-worker";
    options.models = *root_ / "models";
    options.datasets = *root_ / "datasets";
    options.lease_duration = absl::Seconds(10);
    options.heartbeat_interval = absl::Seconds(1);
    return options;
  }

  static v1::Recipe* AddRecipe(v1::CreateRunRequest& request, const std::string& method,
                               v1::TuningKind tuning, int epochs) {
    v1::Recipe* recipe = request.mutable_spec()->add_recipes();
    recipe->set_method(method);
    if (tuning != v1::TUNING_KIND_UNSPECIFIED) {
      recipe->set_tuning(tuning);
      recipe->set_learning_rate(1e-4);
      recipe->set_epochs(epochs);
      recipe->set_warmup_steps(1);
    }
    return recipe;
  }

  static v1::CreateRunRequest Request(bool reversed, int epochs = 1) {
    v1::CreateRunRequest request;
    request.mutable_spec()->set_model("tiny");
    request.mutable_spec()->set_dataset("synthetic");
    AddRecipe(request, "original", v1::TUNING_KIND_UNSPECIFIED, epochs);
    AddRecipe(request, "ga", v1::TUNING_KIND_FULL, epochs);
    AddRecipe(request, "npo", v1::TUNING_KIND_LORA, epochs);
    if (reversed) {
      request.mutable_spec()->mutable_recipes()->SwapElements(0, 2);
    }
    return request;
  }

  static std::map<std::string, std::string> RunToResults(Cluster& cluster,
                                                         const v1::CreateRunRequest& request) {
    const auto run = cluster.client().CreateRun(request);
    EXPECT_TRUE(run.ok()) << run.status();
    const auto done = cluster.client().WatchRun(run->name(), {}, [](const v1::RunEvent&) {});
    EXPECT_TRUE(done.ok()) << done.status() << cluster.Logs();
    EXPECT_EQ(done->state(), v1::RUN_STATE_SUCCEEDED) << cluster.Logs();
    const auto results = ResultsOf(cluster.client(), run->name());
    EXPECT_TRUE(results.ok()) << results.status();
    return *results;
  }

  static fs::path* root_;
};

fs::path* RealModelTest::root_ = nullptr;

TEST_F(RealModelTest, RealTargetOneRunsThroughTheSameCommands) {
  const char* shared = std::getenv("RWKU_SHARED");
  const fs::path dataset = fs::path(shared == nullptr ? "../shared" : shared) / "data" / "rwku";
  if (!fs::exists(dataset)) {
    GTEST_SKIP() << "no reference data at " << dataset;
  }
  const std::string data = (*root_ / "target1").string();
  const Outcome submitted =
      Rwku({"local", "--data-dir", data, "submit", "--model", (*root_ / "models" / "tiny").string(),
            "--dataset", dataset.string(), "--targets", "1", "--method",
            "ga,epochs=1,max_texts=16,lr=1e-4"});
  ASSERT_EQ(submitted.code, 0) << submitted.text << submitted.errors;
  const Outcome list = Rwku({"local", "--data-dir", data, "list", "--output", "json"});
  ASSERT_EQ(list.code, 0) << list.errors;
  const std::string run = nlohmann::json::parse(list.text)["runs"][0]["name"];
  const Outcome rows = Rwku({"local", "--data-dir", data, "predictions", run, "--output", "jsonl"});
  ASSERT_EQ(rows.code, 0) << rows.errors;
  // Forget and neighbor probes, membership texts, and the five utility sets: the whole target.
  EXPECT_EQ(std::count(rows.text.begin(), rows.text.end(), '\n'),
            8 + 10 + 29 + 30 + 30 + 55 + 37 + 171 + 81 + 50 + 100 + 50);
  const Outcome table = Rwku({"local", "--data-dir", data, "results", run, "--output", "csv"});
  ASSERT_EQ(table.code, 0) << table.errors;
  EXPECT_THAT(table.text, HasSubstr("ga"));
}

TEST_F(RealModelTest, ResultsDoNotDependOnWorkersOrOrder) {
  Cluster one(Options("one"));
  ASSERT_TRUE(one.StartServer().ok()) << one.Logs();
  ASSERT_TRUE(one.StartWorker("w0").ok());
  const auto expected = RunToResults(one, Request(false));
  EXPECT_EQ(expected.size(), 3u * kTargets);

  Cluster two(Options("two"));
  ASSERT_TRUE(two.StartServer().ok()) << two.Logs();
  ASSERT_TRUE(two.StartWorker("w0").ok());
  ASSERT_TRUE(two.StartWorker("w1").ok());
  EXPECT_EQ(RunToResults(two, Request(true)), expected);
}

TEST_F(RealModelTest, AJobIsTheSameWhateverRanBeforeOnItsWorker) {
  Cluster cluster(Options("history"));
  ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StartWorker("w0").ok());
  v1::CreateRunRequest single;
  single.mutable_spec()->set_model("tiny");
  single.mutable_spec()->set_dataset("synthetic");
  single.mutable_spec()->add_targets("2");
  AddRecipe(single, "ga", v1::TUNING_KIND_FULL, 1);
  const auto expected = RunToResults(cluster, single);
  ASSERT_EQ(expected.size(), 1u);
  for (const v1::TargetMode mode : {v1::TARGET_MODE_BATCH, v1::TARGET_MODE_SEQUENTIAL}) {
    v1::CreateRunRequest before = single;
    before.mutable_spec()->clear_targets();
    before.mutable_spec()->set_target_mode(mode);
    AddRecipe(before, "npo", v1::TUNING_KIND_LORA, 1);
    RunToResults(cluster, before);
    EXPECT_EQ(RunToResults(cluster, single), expected) << v1::TargetMode_Name(mode);
  }
  v1::CreateRunRequest steered = single;
  steered.mutable_spec()->clear_recipes();
  AddRecipe(steered, "repe", v1::TUNING_KIND_UNSPECIFIED, 1);
  RunToResults(cluster, steered);
  EXPECT_EQ(RunToResults(cluster, single), expected);
}

TEST_F(RealModelTest, WorkerKilledInTrainingChangesNoBit) {
  Cluster calm(Options("calm"));
  ASSERT_TRUE(calm.StartServer().ok()) << calm.Logs();
  ASSERT_TRUE(calm.StartWorker("w0").ok());
  // Long enough for a watcher to see it train.
  constexpr int kEpochs = 5;
  const auto expected = RunToResults(calm, Request(false, kEpochs));

  ClusterOptions options = Options("killed");
  options.lease_duration = absl::Seconds(3);
  options.heartbeat_interval = absl::Milliseconds(500);
  Cluster cluster(options);
  ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StartWorker("w0").ok());
  const auto run = cluster.client().CreateRun(Request(false, kEpochs));
  ASSERT_TRUE(run.ok()) << run.status();
  int kills = 0;
  client::WatchOptions watch;
  const auto done = cluster.client().WatchRun(run->name(), watch, [&](const v1::RunEvent& event) {
    if (kills < 2 && event.has_progress() && event.progress().progress().stage() == "unlearn" &&
        event.progress().progress().done() > 0) {
      ++kills;
      cluster.KillWorker("w0");
      EXPECT_TRUE(cluster.StartWorker("w0").ok());
    }
  });
  ASSERT_TRUE(done.ok()) << done.status() << cluster.Logs();
  EXPECT_EQ(done->state(), v1::RUN_STATE_SUCCEEDED) << cluster.Logs();
  EXPECT_EQ(kills, 2) << "no worker was killed in training";
  const auto results = ResultsOf(cluster.client(), run->name());
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ(*results, expected);
}

}  // namespace
}  // namespace rwku::e2e
