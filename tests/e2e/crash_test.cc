// Processes that are killed, stopped and cut short: the run still ends with exactly one result per
// job, equal to an undisturbed run's, byte for byte.

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/e2e/cluster.h"
#include "tests/testing/fake_engine.h"
#include "tools/synth/dataset_writer.h"
#include "tools/synth/world.h"

namespace rwku::e2e {
namespace {

namespace fs = std::filesystem;

constexpr int kTargets = 4;

class CrashTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) /
            absl::StrCat("crash_test.", getpid(), ".",
                         ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_ / "models");
    ASSERT_TRUE(testing::WriteFakeModel(root_ / "models" / "fake", 1).ok());
    synth::DatasetOptions options;
    options.corpus_texts = 16;
    const auto world = synth::MakeWorld(7, kTargets);
    ASSERT_TRUE(world.ok());
    ASSERT_TRUE(synth::WriteDataset(*world, 7, options, root_ / "datasets" / "synthetic").ok());
  }
  void TearDown() override {
    if (!HasFailure()) {
      fs::remove_all(root_);
    }
  }

  ClusterOptions Options(const std::string& name,
                         std::vector<std::pair<std::string, std::string>> worker_env) {
    ClusterOptions options;
    options.root = root_ / name;
    options.models = root_ / "models";
    options.datasets = root_ / "datasets";
    options.worker_env = std::move(worker_env);
    return options;
  }

  // `epochs` makes a training longer.
  static v1::CreateRunRequest Request(int epochs) {
    v1::CreateRunRequest request;
    request.mutable_spec()->set_model("fake");
    request.mutable_spec()->set_dataset("synthetic");
    for (const char* method : {"original", "icu", "ga", "npo"}) {
      v1::Recipe& recipe = *request.mutable_spec()->add_recipes();
      recipe.set_method(method);
      if (recipe.method() == "ga" || recipe.method() == "npo") {
        recipe.set_epochs(epochs);
      }
    }
    return request;
  }

  // The results of a run that nobody disturbs.
  std::map<std::string, std::string> Undisturbed(int epochs) {
    Cluster cluster(Options("undisturbed", {}));
    EXPECT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
    EXPECT_TRUE(cluster.StartWorker("w0").ok());
    const auto run = cluster.client().CreateRun(Request(epochs));
    EXPECT_TRUE(run.ok()) << run.status();
    const auto done = cluster.client().WatchRun(run->name(), {}, [](const v1::RunEvent&) {});
    EXPECT_TRUE(done.ok()) << done.status();
    EXPECT_EQ(done->state(), v1::RUN_STATE_SUCCEEDED) << cluster.Logs();
    const auto results = ResultsOf(cluster.client(), run->name());
    EXPECT_TRUE(results.ok()) << results.status();
    return *results;
  }

  static v1::Run Finish(Cluster& cluster, const std::string& run) {
    const auto done = cluster.client().WatchRun(run, {}, [](const v1::RunEvent&) {});
    EXPECT_TRUE(done.ok()) << done.status() << cluster.Logs();
    return done.value_or(v1::Run());
  }

  fs::path root_;
};

// Time in which something else goes wrong: a fault's moment, not a wait for a condition.
void LetPass(absl::Duration time) { std::this_thread::sleep_for(absl::ToChronoMilliseconds(time)); }

TEST_F(CrashTest, ServerKilledFiftyTimesLosesAndInventsNothing) {
  constexpr int kKills = 50;
  constexpr int kEpochs = 40;
  const std::map<std::string, std::string> expected = Undisturbed(kEpochs);

  Cluster cluster(Options("killed", {{"RWKU_FAKE_STEP_MS", "8"}, {"RWKU_FAKE_ITEM_MS", "1"}}));
  ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StartWorker("w0").ok());
  ASSERT_TRUE(cluster.StartWorker("w1").ok());
  Random random(20260611, "kills");
  int kills = 0;
  while (kills < kKills) {
    const auto run = cluster.client().CreateRun(Request(kEpochs));
    ASSERT_TRUE(run.ok()) << run.status();
    while (kills < kKills) {
      LetPass(absl::Milliseconds(20 + random.Below(150)));
      cluster.KillServer();
      ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
      const auto now = cluster.client().GetRun(run->name());
      ASSERT_TRUE(now.ok()) << now.status() << cluster.Logs();
      if (now->state() != v1::RUN_STATE_RUNNING) {
        break;
      }
      ++kills;
    }
    EXPECT_EQ(Finish(cluster, run->name()).state(), v1::RUN_STATE_SUCCEEDED) << cluster.Logs();
    const auto results = ResultsOf(cluster.client(), run->name());
    ASSERT_TRUE(results.ok()) << results.status();
    EXPECT_EQ(*results, expected);
  }
}

TEST_F(CrashTest, WorkerKilledInTrainingIsReplaced) {
  constexpr int kKills = 15;
  constexpr int kEpochs = 20;
  // A job that loses this many workers in a row would be parked: let it end first.
  constexpr int kPatience = 3;
  const std::map<std::string, std::string> expected = Undisturbed(kEpochs);

  Cluster cluster(Options("killed", {{"RWKU_FAKE_STEP_MS", "10"}}));
  ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StartWorker("w0").ok());
  ASSERT_TRUE(cluster.StartWorker("w1").ok());
  const auto run = cluster.client().CreateRun(Request(kEpochs));
  ASSERT_TRUE(run.ok()) << run.status();
  const auto nobody_tries_too_often = [&] {
    const auto jobs =
        cluster.client().ListJobs(run->name(), {v1::JOB_STATE_QUEUED, v1::JOB_STATE_LEASED});
    return jobs.ok() && std::all_of(jobs->begin(), jobs->end(),
                                    [](const v1::Job& job) { return job.attempts() < kPatience; });
  };
  Random random(7, "kills");
  int kills = 0;
  while (kills < kKills) {
    LetPass(absl::Milliseconds(20 + random.Below(100)));
    ASSERT_TRUE(testing::WaitUntil("jobs to end", absl::Seconds(60), nobody_tries_too_often).ok());
    const std::string name = random.Below(2) == 0 ? "w0" : "w1";
    cluster.KillWorker(name);
    ASSERT_TRUE(cluster.StartWorker(name).ok());
    const auto now = cluster.client().GetRun(run->name());
    ASSERT_TRUE(now.ok()) << now.status();
    if (now->state() != v1::RUN_STATE_RUNNING) {
      break;
    }
    ++kills;
  }
  EXPECT_GE(kills, 5) << "the run ended too early to be disturbed";
  EXPECT_EQ(Finish(cluster, run->name()).state(), v1::RUN_STATE_SUCCEEDED) << cluster.Logs();
  const auto results = ResultsOf(cluster.client(), run->name());
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ(*results, expected);
}

TEST_F(CrashTest, WorkerStoppedForLongerThanItsLeaseChangesNothing) {
  constexpr int kEpochs = 60;
  const std::map<std::string, std::string> expected = Undisturbed(kEpochs);

  ClusterOptions options = Options("stopped", {{"RWKU_FAKE_STEP_MS", "10"}});
  options.lease_duration = absl::Seconds(1);
  options.heartbeat_interval = absl::Milliseconds(200);
  Cluster cluster(options);
  ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StartWorker("w0").ok());
  const auto run = cluster.client().CreateRun(Request(kEpochs));
  ASSERT_TRUE(run.ok()) << run.status();
  const auto job_in_training = [&] {
    bool training = false;
    const auto jobs = cluster.client().ListJobs(run->name(), {v1::JOB_STATE_LEASED});
    for (const v1::Job& job : jobs.value_or(std::vector<v1::Job>())) {
      training = training || job.recipe().method() == "ga" || job.recipe().method() == "npo";
    }
    return training;
  };
  ASSERT_TRUE(testing::WaitUntil("a job in training", absl::Seconds(30), job_in_training).ok());
  ASSERT_TRUE(cluster.worker("w0").Signal(SIGSTOP).ok());
  const auto lease_lost = [&] {
    const auto jobs = cluster.client().ListJobs(run->name(), {v1::JOB_STATE_LEASED});
    return jobs.ok() && jobs->empty();
  };
  ASSERT_TRUE(testing::WaitUntil("the lease's end", absl::Seconds(30), lease_lost).ok())
      << cluster.Logs();
  ASSERT_TRUE(cluster.StartWorker("w1").ok());
  ASSERT_TRUE(cluster.worker("w0").Signal(SIGCONT).ok());
  EXPECT_EQ(Finish(cluster, run->name()).state(), v1::RUN_STATE_SUCCEEDED) << cluster.Logs();
  const auto results = ResultsOf(cluster.client(), run->name());
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ(*results, expected);
}

TEST_F(CrashTest, TableIsTheSameAfterARestart) {
  Cluster cluster(Options("restart", {}));
  ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StartWorker("w0").ok());
  const auto run = cluster.client().CreateRun(Request(3));
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_EQ(Finish(cluster, run->name()).state(), v1::RUN_STATE_SUCCEEDED);
  const auto before = cluster.client().GetReport({run->name()});
  ASSERT_TRUE(before.ok()) << before.status();
  ASSERT_TRUE(cluster.StopWorker("w0").ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StopServer().ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StartServer().ok());
  const auto after = cluster.client().GetReport({run->name()});
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->SerializeAsString(), before->SerializeAsString());
  EXPECT_EQ(after->rows_size(), 4);
}

}  // namespace
}  // namespace rwku::e2e
