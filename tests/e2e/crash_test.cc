// Processes that are killed, stopped and cut short: the run still ends with exactly one result per
// job, equal to an undisturbed run's, byte for byte.

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

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

  static bool IsTrained(const v1::Job& job) {
    return job.recipe().method() == "ga" || job.recipe().method() == "npo";
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

// What clients were told of a run's jobs, by name: none of it may be taken back.
class Told {
 public:
  // Checks the jobs as they are now against what was told, and keeps them.
  void Check(const std::vector<v1::Job>& jobs) {
    for (const v1::Job& job : jobs) {
      const v1::Job& before = jobs_[job.name()];
      if (before.state() == v1::JOB_STATE_SUCCEEDED) {
        // State, token, worker, revision, result: everything.
        EXPECT_EQ(job.SerializeAsString(), before.SerializeAsString())
            << job.name() << " changed after its success was told: token " << before.fencing_token()
            << " of " << before.worker() << " at revision " << before.revision() << ", now token "
            << job.fencing_token() << " of " << job.worker() << " at revision " << job.revision();
      }
      EXPECT_GE(job.fencing_token(), before.fencing_token()) << job.name();
      EXPECT_GE(job.attempts(), before.attempts()) << job.name();
      EXPECT_GE(job.revision(), before.revision()) << job.name();
    }
    for (const v1::Job& job : jobs) {
      jobs_[job.name()] = job;
    }
    EXPECT_EQ(jobs.size(), jobs_.size()) << "a job is gone";
  }

 private:
  std::map<std::string, v1::Job> jobs_;
};

// Watches a run in a thread of its own, over every break of the stream.
class Watch {
 public:
  Watch(const Cluster& cluster, std::string run) : run_(std::move(run)) {
    client::ClientOptions options;
    options.server = cluster.address();
    options.clock = &clock_;
    options.retry_window = absl::Seconds(60);
    client_ = *client::Client::Create(options);
    thread_ = std::thread([this] {
      client::WatchOptions watch;
      watch.omit_progress = true;
      last_ = client_->WatchRun(run_, watch, [this](const v1::RunEvent& event) {
        events_.push_back(event.SerializeAsString());
        revisions_.push_back(event.revision());
      });
    });
  }
  ~Watch() {
    client_->Cancel();
    if (thread_.joinable()) {
      thread_.join();
    }
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Waits for the end of the run, which must be `end`: the events led there without a gap, a repeat
  // or a step back.
  void Finish(const v1::Run& end) {
    thread_.join();
    ASSERT_TRUE(last_.ok()) << last_.status();
    EXPECT_EQ(last_->SerializeAsString(), end.SerializeAsString());
    for (size_t i = 1; i < revisions_.size(); ++i) {
      EXPECT_GT(revisions_[i], revisions_[i - 1]) << "event " << i;
    }
    // A watcher that comes when all is over, and is not disturbed, is told the same.
    std::vector<std::string> replayed;
    client::WatchOptions watch;
    watch.omit_progress = true;
    const auto again = client_->WatchRun(run_, watch, [&replayed](const v1::RunEvent& event) {
      replayed.push_back(event.SerializeAsString());
    });
    EXPECT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(events_ == replayed)
        << events_.size() << " events live, " << replayed.size() << " when replayed";
  }

 private:
  const RealClock clock_;
  const std::string run_;
  std::unique_ptr<client::Client> client_;
  // The thread's until it is joined.
  std::vector<std::string> events_;
  std::vector<uint64_t> revisions_;
  absl::StatusOr<v1::Run> last_ = absl::UnknownError("the watch runs");
  std::thread thread_;
};

TEST_F(CrashTest, ServerKilledFiftyTimesLosesAndInventsNothing) {
  constexpr int kKills = 50;
  constexpr int kEpochs = 40;
  const std::map<std::string, std::string> expected = Undisturbed(kEpochs);

  ClusterOptions options =
      Options("killed", {{"RWKU_FAKE_STEP_MS", "8"}, {"RWKU_FAKE_ITEM_MS", "1"}});
  // A worker may find no server for a while that lives long enough to be talked to.
  options.lease_duration = absl::Seconds(30);
  Cluster cluster(options);
  ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StartWorker("w0").ok());
  ASSERT_TRUE(cluster.StartWorker("w1").ok());
  Random random(20260611, "kills");
  int kills = 0;
  int repeated_attempts = 0;
  while (kills < kKills) {
    const auto run = cluster.client().CreateRun(Request(kEpochs));
    ASSERT_TRUE(run.ok()) << run.status();
    Watch watch(cluster, run->name());
    Told told;
    while (kills < kKills) {
      LetPass(absl::Milliseconds(20 + random.Below(150)));
      const auto before = cluster.client().ListJobs(run->name());
      ASSERT_TRUE(before.ok()) << before.status() << cluster.Logs();
      told.Check(*before);
      cluster.KillServer();
      ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
      const auto after = cluster.client().ListJobs(run->name());
      ASSERT_TRUE(after.ok()) << after.status() << cluster.Logs();
      told.Check(*after);
      const auto now = cluster.client().GetRun(run->name());
      ASSERT_TRUE(now.ok()) << now.status() << cluster.Logs();
      if (now->state() != v1::RUN_STATE_RUNNING) {
        break;
      }
      ++kills;
    }
    const v1::Run end = Finish(cluster, run->name());
    EXPECT_EQ(end.state(), v1::RUN_STATE_SUCCEEDED) << cluster.Logs();
    watch.Finish(end);
    const auto jobs = cluster.client().ListJobs(run->name());
    ASSERT_TRUE(jobs.ok()) << jobs.status();
    told.Check(*jobs);
    for (const v1::Job& job : *jobs) {
      repeated_attempts += job.attempts() - 1;
    }
    const auto results = ResultsOf(cluster.client(), run->name());
    ASSERT_TRUE(results.ok()) << results.status();
    EXPECT_EQ(*results, expected);
  }
  // Workers keep their leases: only what was granted and not heard of before a kill is given again.
  EXPECT_LE(repeated_attempts, kKills / 5) << cluster.Logs();
}

TEST_F(CrashTest, WorkerKilledInTrainingIsReplaced) {
  constexpr int kKills = 15;
  constexpr int kEpochs = 20;
  // Both workers are killed again and again: a job that loses them more often than this may be
  // parked, so let it end first.
  constexpr int kPatience = 3;
  const std::map<std::string, std::string> expected = Undisturbed(kEpochs);

  Cluster cluster(Options("killed", {{"RWKU_FAKE_STEP_MS", "10"}}));
  ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StartWorker("w0").ok());
  ASSERT_TRUE(cluster.StartWorker("w1").ok());
  Random random(7, "kills");
  int kills = 0;
  while (kills < kKills) {
    const auto run = cluster.client().CreateRun(Request(kEpochs));
    ASSERT_TRUE(run.ok()) << run.status();
    // The worker that holds a job in training which may be lost once more; empty once the run has
    // ended.
    std::string victim;
    const auto found = [&] {
      victim.clear();
      const auto now = cluster.client().GetRun(run->name());
      const auto leased = cluster.client().ListJobs(run->name(), {v1::JOB_STATE_LEASED});
      if (!now.ok() || !leased.ok()) {
        return false;
      }
      for (const v1::Job& job : *leased) {
        if (job.attempts() < kPatience && IsTrained(job)) {
          victim = job.worker();
        }
      }
      return !victim.empty() || now->state() != v1::RUN_STATE_RUNNING;
    };
    while (kills < kKills) {
      LetPass(absl::Milliseconds(20 + random.Below(100)));
      ASSERT_TRUE(testing::WaitUntil("a job in training", absl::Seconds(60), found).ok())
          << cluster.Logs();
      if (victim.empty()) {
        break;
      }
      cluster.KillWorker(victim);
      ASSERT_TRUE(cluster.StartWorker(victim).ok());
      ++kills;
    }
    EXPECT_EQ(Finish(cluster, run->name()).state(), v1::RUN_STATE_SUCCEEDED) << cluster.Logs();
    const auto results = ResultsOf(cluster.client(), run->name());
    ASSERT_TRUE(results.ok()) << results.status();
    EXPECT_EQ(*results, expected);
  }
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
      training = training || IsTrained(job);
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
