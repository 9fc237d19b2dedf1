// The newest runs as metrics: figures of a run whose predictions are in the store.
#include "server/metrics/run_board.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rwku/v1/unlearning.pb.h"
#include "rwku/v1/worker.pb.h"

#include "base/clock.h"
#include "base/random.h"
#include "benchmark/dataset/probe_set.h"
#include "benchmark/report/report_builder.h"
#include "server/store/mem_store.h"

namespace rwku::metrics {
namespace {

using Labels = std::map<std::string, std::string>;

// The value of the series with these labels, among others.
std::optional<double> Value(const std::vector<prometheus::MetricFamily>& families,
                            const std::string& name, const Labels& labels) {
  for (const prometheus::MetricFamily& family : families) {
    for (const prometheus::ClientMetric& metric : family.metric) {
      Labels has;
      for (const auto& label : metric.label) {
        has[label.name] = label.value;
      }
      bool all = family.name == name;
      for (const auto& [key, value] : labels) {
        all = all && has[key] == value;
      }
      if (all) {
        return metric.gauge.value;
      }
    }
  }
  return std::nullopt;
}

size_t Series(const std::vector<prometheus::MetricFamily>& families) {
  size_t series = 0;
  for (const prometheus::MetricFamily& family : families) {
    series += family.metric.size();
  }
  return series;
}

class RunBoardTest : public ::testing::Test {
 protected:
  void Start(RunBoardOptions options = {}) {
    board_.reset();
    coordinator_.reset();
    coordinator::Options coordinator_options;
    coordinator_options.tick_interval = absl::ZeroDuration();
    coordinator_ = coordinator::Coordinator::Create(coordinator_options, &store_, &clock_).value();
    options.interval = absl::ZeroDuration();
    board_ = std::make_unique<RunBoard>(options, coordinator_.get(), &store_, &clock_);
  }

  // A run of `targets` x `recipes`, stored with every job succeeded.
  void StoreRun(uint64_t sequence, int targets, const std::vector<std::string>& recipes,
                absl::Time end) {
    scheduler::RunRecord run;
    run.id = RunId(absl::StrCat("r", sequence));
    run.sequence = sequence;
    run.state = scheduler::RunState::kSucceeded;
    run.create_time = end - absl::Minutes(1);
    run.end_time = end;
    run.revision = ++revision_;
    v1::RunSpec spec;
    spec.set_display_name(absl::StrCat("run ", sequence));
    spec.set_model("tiny");
    run.payload = spec.SerializeAsString();
    store::Batch batch;
    int index = 0;
    for (const std::string& recipe : recipes) {
      for (int target = 0; target < targets; ++target) {
        scheduler::JobRecord job;
        job.run = run.id;
        job.index = index;
        job.id = JobId(absl::StrCat(run.id.value(), "/", index++));
        job.state = scheduler::JobState::kSucceeded;
        job.fencing_token = 3;
        job.start_time = end - absl::Seconds(30);
        job.end_time = end;
        job.revision = ++revision_;
        v1::JobSpec job_spec;
        job_spec.mutable_recipe()->set_label(recipe);
        job_spec.mutable_recipe()->set_method(recipe.substr(0, recipe.find(' ')));
        job_spec.set_target(absl::StrCat("Target ", target));
        job.payload = job_spec.SerializeAsString();
        batch.chunks.push_back(Predictions(job, recipe, job_spec.target()));
        batch.changes.emplace_back(scheduler::PutJob{std::move(job)});
      }
    }
    batch.changes.emplace_back(scheduler::PutRun{std::move(run)});
    ASSERT_TRUE(store_.Commit({batch}).ok());
  }

  // Predictions of every set with random scores, which go to the report, too.
  store::PredictionChunk Predictions(const scheduler::JobRecord& job, const std::string& recipe,
                                     const std::string& target) {
    if (!rows_.contains(recipe)) {
      rows_[recipe] = report_.AddRow(recipe, "runs/r1", 0, 0);
    }
    store::PredictionChunk chunk{job.id, job.fencing_token, 0, {}};
    for (const char* set : {"forget_level1", "forget_level2", "forget_level3", "neighbor_level1",
                            "neighbor_level2", "fluency"}) {
      const int probes = 2 + static_cast<int>(random_.Below(4));
      for (int i = 0; i < probes; ++i) {
        v1::Prediction prediction;
        prediction.set_target(target);
        prediction.set_probe_set(set);
        for (const char* name : {"rouge_l_recall", "answer_probability"}) {
          v1::Score* score = prediction.add_scores();
          score->set_name(name);
          if (i > 0) {  // the first one is missing
            score->set_value(random_.Uniform());
            report_.AddScore(rows_[recipe], target, dataset::ParseProbeSet(set).value(), "", name,
                             score->value());
          }
        }
        chunk.predictions.push_back(prediction.SerializeAsString());
        prediction.set_checkpoint(1);  // of an epoch: not the last word
        chunk.predictions.push_back(prediction.SerializeAsString());
      }
    }
    return chunk;
  }

  std::vector<prometheus::MetricFamily> Look() {
    board_->Refresh();
    return board_->Collect();
  }

  const RealClock clock_;
  store::MemStore store_;
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  std::unique_ptr<RunBoard> board_;
  Random random_{1, "run_board_test"};
  report::ReportBuilder report_{"test"};
  std::map<std::string, size_t> rows_;
  uint64_t revision_ = 0;
};

TEST_F(RunBoardTest, ScoresAreThoseOfTheMainTable) {
  StoreRun(1, 5, {"ga", "npo lr=1e-07"}, clock_.Now());
  Start();
  const auto families = Look();
  const report::ReportTable main = report_.Build();
  const auto forget = report::FindColumn(main, "forget_all");
  const auto neighbor = report::FindColumn(main, "neighbor_all");
  ASSERT_TRUE(forget.has_value() && neighbor.has_value());
  for (const auto& [recipe, row] : rows_) {
    for (const auto& [side, column] : {std::pair{"forget", *forget}, {"neighbor", *neighbor}}) {
      const auto value = Value(families, "rwku_server_run_recipe_rouge_ratio",
                               {{"run", "r1"}, {"recipe", recipe}, {"side", side}});
      ASSERT_TRUE(value.has_value()) << recipe << " " << side;
      EXPECT_NEAR(*value * 100, main.rows[row].cells[column].value.value(), 1e-9)
          << recipe << " " << side;
    }
  }
  EXPECT_EQ(Value(families, "rwku_server_run_recipe_jobs_succeeded",
                  {{"run", "r1"}, {"recipe", "ga"}, {"method", "ga"}}),
            5);
  EXPECT_EQ(Value(families, "rwku_server_run_info",
                  {{"run", "r1"}, {"name", "run 1"}, {"model", "tiny"}}),
            1);
}

TEST_F(RunBoardTest, CatchesUpLookByLook) {
  StoreRun(1, 5, {"ga"}, clock_.Now());
  Start({.max_reads = 2});
  for (int look = 0; look < 3; ++look) {
    Look();
  }
  const report::ReportTable main = report_.Build();
  EXPECT_NEAR(
      Value(board_->Collect(), "rwku_server_run_recipe_rouge_ratio", {{"side", "forget"}}).value() *
          100,
      main.rows[0].cells[*report::FindColumn(main, "forget_all")].value.value(), 1e-9);
}

TEST_F(RunBoardTest, ShowsTheNewestRunsOnlyAndForgetsThoseThatEnded) {
  for (uint64_t run = 1; run <= 30; ++run) {
    StoreRun(run, 1, {"ga"}, clock_.Now());
  }
  StoreRun(31, 1, {"ga"}, clock_.Now() - absl::Hours(1));
  Start();
  const auto families = Look();
  EXPECT_FALSE(Value(families, "rwku_server_run_info", {{"run", "r31"}}).has_value());
  EXPECT_FALSE(Value(families, "rwku_server_run_info", {{"run", "r10"}}).has_value());
  EXPECT_TRUE(Value(families, "rwku_server_run_info", {{"run", "r11"}}).has_value());
  EXPECT_TRUE(Value(families, "rwku_server_run_info", {{"run", "r30"}}).has_value());
}

TEST_F(RunBoardTest, TheNumberOfSeriesIsBounded) {
  std::vector<std::string> recipes;
  for (int i = 0; i < 100; ++i) {
    recipes.push_back(absl::StrCat("ga lr=", i));
  }
  for (uint64_t run = 1; run <= 40; ++run) {
    StoreRun(run, 1, recipes, clock_.Now());
  }
  Start({.max_reads = 100000});
  // Of a run: info, creation, time left, five states; of a recipe: two counts, two scores.
  EXPECT_LE(Series(Look()), RunBoard::kMaxRuns * (8 + 4 * RunBoard::kMaxRecipes));
}

}  // namespace
}  // namespace rwku::metrics
