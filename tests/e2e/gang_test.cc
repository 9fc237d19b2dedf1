// Two workers that share each job: the result is that of an undisturbed gang whatever happens to
// one of its ranks, and close to that of one worker alone.

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/e2e/cluster.h"
#include "tools/synth/dataset_writer.h"
#include "tools/synth/tiny_model.h"
#include "tools/synth/world.h"

namespace rwku::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::SizeIs;

// What a dead or stuck rank may cost the others before they are free again, by default.
constexpr absl::Duration kBound = absl::Seconds(60);

struct Disturbance {
  const char* name;
  int signal;
  // Of rank 0, as watchers see it; "lease" is the moment at which the gang is formed.
  const char* stage;
};

std::ostream& operator<<(std::ostream& out, const Disturbance& disturbance) {
  return out << "signal " << disturbance.signal << " in " << disturbance.stage;
}

class GangRunTest : public ::testing::TestWithParam<Disturbance> {
 protected:
  static void SetUpTestSuite() {
    root_ = new fs::path(fs::path(::testing::TempDir()) / absl::StrCat("gang_test.", getpid()));
    fs::remove_all(*root_);
    fs::create_directories(*root_ / "models");
    const auto world = synth::MakeWorld(7, 2);
    ASSERT_TRUE(world.ok());
    synth::DatasetOptions data;
    data.membership_texts = 1500;  // an evaluation long enough for a watcher to see it
    ASSERT_TRUE(synth::WriteDataset(*world, 7, data, *root_ / "datasets" / "synthetic").ok());
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
    delete undisturbed_;
    undisturbed_ = nullptr;
  }

  static ClusterOptions Options(const std::string& name) {
    ClusterOptions options;
    options.root = *root_ / name;
    options.worker_binary = "bin/rwku-worker";
    options.models = *root_ / "models";
    options.datasets = *root_ / "datasets";
    options.lease_duration = absl::Seconds(3);
    options.heartbeat_interval = absl::Milliseconds(500);
    options.worker_flags = {"--gang-timeout", "10s", "--abort-timeout", "20s"};
    return options;
  }

  static v1::CreateRunRequest Request(int ranks) {
    v1::CreateRunRequest request;
    v1::RunSpec* spec = request.mutable_spec();
    spec->set_model("tiny");
    spec->set_dataset("synthetic");
    spec->add_targets("1");
    spec->set_data_parallel(ranks);
    v1::Recipe* recipe = spec->add_recipes();
    recipe->set_method("ga");
    recipe->set_tuning(v1::TUNING_KIND_FULL);
    recipe->set_learning_rate(1e-4);
    recipe->set_epochs(6);  // long enough for a watcher to see it train
    recipe->set_warmup_steps(1);
    return request;
  }

  static std::map<std::string, std::string> Results(Cluster& cluster, const std::string& run) {
    const auto results = ResultsOf(cluster.client(), run);
    EXPECT_TRUE(results.ok()) << results.status();
    return *results;
  }

  // What a gang of two makes of the job when nothing happens; computed once.
  static const std::map<std::string, std::string>& Undisturbed() {
    if (undisturbed_ == nullptr) {
      Cluster cluster(Options("undisturbed"));
      EXPECT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
      EXPECT_TRUE(cluster.StartWorker("w0").ok());
      EXPECT_TRUE(cluster.StartWorker("w1").ok());
      const auto run = cluster.client().CreateRun(Request(2));
      EXPECT_TRUE(run.ok()) << run.status();
      const auto done = cluster.client().WatchRun(run->name(), {}, [](const v1::RunEvent&) {});
      EXPECT_TRUE(done.ok() && done->state() == v1::RUN_STATE_SUCCEEDED) << cluster.Logs();
      undisturbed_ = new std::map<std::string, std::string>(Results(cluster, run->name()));
    }
    return *undisturbed_;
  }

  // Processes that `process` started and that live.
  static std::string ChildrenOf(testing::Process& process) {
    const auto pid = absl::StrCat(process.pid());
    return ReadFile(fs::path("/proc") / pid / "task" / pid / "children").value_or("");
  }

  static fs::path* root_;
  static std::map<std::string, std::string>* undisturbed_;
};

fs::path* GangRunTest::root_ = nullptr;
std::map<std::string, std::string>* GangRunTest::undisturbed_ = nullptr;

TEST_P(GangRunTest, RankThatEndsOrStopsCostsABoundedTimeAndNoBit) {
  const Disturbance& disturbance = GetParam();
  const auto& expected = Undisturbed();
  ASSERT_THAT(expected, SizeIs(1));

  Cluster cluster(Options(disturbance.name));
  ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StartWorker("w0").ok());
  ASSERT_TRUE(cluster.StartWorker("w1").ok());
  const auto run = cluster.client().CreateRun(Request(2));
  ASSERT_TRUE(run.ok()) << run.status();
  const RealClock clock;
  std::string victim;
  absl::Duration struck;
  absl::Duration broken = absl::InfiniteDuration();
  const auto done = cluster.client().WatchRun(run->name(), {}, [&](const v1::RunEvent& event) {
    if (!victim.empty() && event.has_job() && event.job().state() == v1::JOB_STATE_QUEUED) {
      broken = std::min(broken, clock.Monotonic() - struck);
    }
    const bool reached = std::string(disturbance.stage) == "lease"
                             ? event.has_job() && event.job().state() == v1::JOB_STATE_LEASED
                             : event.has_progress() &&
                                   event.progress().progress().stage() == disturbance.stage &&
                                   event.progress().progress().done() > 0;
    if (!victim.empty() || !reached) {
      return;
    }
    const auto jobs = cluster.client().ListJobs(run->name());
    ASSERT_TRUE(jobs.ok() && jobs->front().gang_size() == 2) << jobs.status();
    victim = jobs->front().gang(1);
    struck = clock.Monotonic();
    if (disturbance.signal == SIGKILL) {
      cluster.KillWorker(victim);
      ASSERT_TRUE(cluster.StartWorker(victim).ok());
    } else {
      ASSERT_TRUE(cluster.worker(victim).Signal(disturbance.signal).ok());
      ASSERT_TRUE(cluster.StartWorker("w2").ok());
    }
  });
  ASSERT_TRUE(done.ok()) << done.status() << cluster.Logs();
  EXPECT_EQ(done->state(), v1::RUN_STATE_SUCCEEDED) << cluster.Logs();
  ASSERT_FALSE(victim.empty()) << "no watcher saw the stage " << disturbance.stage;
  EXPECT_LT(broken, kBound) << cluster.Logs();
  RecordProperty("broken_after_ms", static_cast<int>(absl::ToInt64Milliseconds(broken)));
  const auto jobs = cluster.client().ListJobs(run->name());
  ASSERT_TRUE(jobs.ok());
  EXPECT_EQ(jobs->front().attempts(), 2) << cluster.Logs();
  EXPECT_EQ(jobs->front().failures(), 0);
  EXPECT_EQ(Results(cluster, run->name()), expected);

  // The worker that stood still finds out that it has nothing to do, and takes part again.
  if (disturbance.signal == SIGSTOP) {
    ASSERT_TRUE(cluster.worker(victim).Signal(SIGCONT).ok());
  }
  EXPECT_TRUE(testing::WaitUntil("every worker is idle", absl::Seconds(60),
                                 [&] {
                                   const auto workers = cluster.client().ListWorkers();
                                   return workers.ok() &&
                                          std::all_of(workers->begin(), workers->end(),
                                                      [](const v1::Worker& worker) {
                                                        return worker.state() ==
                                                               v1::WORKER_STATE_IDLE;
                                                      });
                                 })
                  .ok())
      << cluster.Logs();
  for (const std::string& name : {std::string("w0"), std::string("w1")}) {
    EXPECT_TRUE(cluster.worker(name).Running()) << name;
    EXPECT_EQ(ChildrenOf(cluster.worker(name)), "") << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Stages, GangRunTest,
                         ::testing::Values(Disturbance{"KilledAtTheLease", SIGKILL, "lease"},
                                           Disturbance{"StoppedAtTheLease", SIGSTOP, "lease"},
                                           Disturbance{"KilledInTraining", SIGKILL, "unlearn"},
                                           Disturbance{"StoppedInTraining", SIGSTOP, "unlearn"},
                                           Disturbance{"KilledInEvaluation", SIGKILL, "evaluate"},
                                           Disturbance{"StoppedInEvaluation", SIGSTOP, "evaluate"}),
                         [](const auto& info) { return std::string(info.param.name); });

using GangOfTwoTest = GangRunTest;

TEST_F(GangOfTwoTest, TrainsAndAnswersAsOneWorkerDoes) {
  Cluster cluster(Options("pair"));
  ASSERT_TRUE(cluster.StartServer().ok()) << cluster.Logs();
  ASSERT_TRUE(cluster.StartWorker("w0").ok());
  ASSERT_TRUE(cluster.StartWorker("w1").ok());
  std::vector<v1::Job> jobs;
  std::vector<std::vector<v1::PredictionRow>> rows(3);
  for (const int ranks : {1, 2}) {
    for (const bool sharded : {false, true}) {
      if (ranks == 1 && sharded) {
        continue;
      }
      v1::CreateRunRequest request = Request(ranks);
      request.mutable_spec()->set_shard_optimizer_state(sharded);
      const auto run = cluster.client().CreateRun(request);
      ASSERT_TRUE(run.ok()) << run.status();
      const auto done = cluster.client().WatchRun(run->name(), {}, [](const v1::RunEvent&) {});
      ASSERT_TRUE(done.ok() && done->state() == v1::RUN_STATE_SUCCEEDED) << cluster.Logs();
      const auto listed = cluster.client().ListJobs(run->name());
      ASSERT_TRUE(listed.ok());
      ASSERT_TRUE(cluster.client()
                      .ListPredictions(run->name(), {},
                                       [&](const v1::PredictionRow& row) {
                                         rows[jobs.size()].push_back(row);
                                         return absl::OkStatus();
                                       })
                      .ok());
      jobs.push_back(listed->front());
    }
  }
  const v1::JobResult& one = jobs.front().result();
  for (size_t i = 1; i < jobs.size(); ++i) {
    const v1::JobResult& gang = jobs[i].result();
    EXPECT_THAT(std::vector<std::string>(jobs[i].gang().begin(), jobs[i].gang().end()), SizeIs(2));
    ASSERT_EQ(gang.training_curve_size(), one.training_curve_size());
    for (int step = 0; step < one.training_curve_size(); ++step) {
      const double loss = one.training_curve(step).loss();
      EXPECT_NEAR(gang.training_curve(step).loss(), loss, 1e-5 * std::abs(loss)) << step;
    }
    EXPECT_EQ(gang.original_weights_checksum(), one.original_weights_checksum());
    EXPECT_EQ(gang.corpus_texts(), one.corpus_texts());
    ASSERT_EQ(rows[i].size(), rows[0].size());
    size_t equal = 0;
    for (size_t row = 0; row < rows[0].size(); ++row) {
      const v1::Prediction& mine = rows[i][row].prediction();
      const v1::Prediction& theirs = rows[0][row].prediction();
      ASSERT_EQ(mine.probe_set(), theirs.probe_set());
      ASSERT_EQ(mine.index(), theirs.index());
      equal += mine.output() == theirs.output() ? 1 : 0;
    }
    // Weights that differ in the last digits may tip a near tie of two tokens.
    EXPECT_GE(equal + 1, rows[0].size());
  }
}

}  // namespace
}  // namespace rwku::e2e
