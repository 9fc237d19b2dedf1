// A run of 200 targets with as many predictions as the benchmark has, about 150,000: how long a
// report takes and how much memory the server needs for it and for streaming them all.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/random.h"
#include "net/channel.h"
#include "server/service/test_server.h"
#include "server/store/rocks_store.h"

namespace rwku::service {
namespace {

namespace fs = std::filesystem;

constexpr int kTargets = 200;

struct SetShape {
  const char* set;
  int probes;                       // of a target, as the benchmark has on average
  std::vector<const char*> scores;  // beside those of every generated text
  int tokens = 0;                   // of a membership text
  int output = 0;                   // bytes
};

const std::vector<SetShape>& Shapes() {
  static const std::vector<const char*> question = {"rouge_l_recall", "degenerate",
                                                    "answer_probability", "exact_memorization",
                                                    "extraction_strength"};
  static const auto* const shapes = new std::vector<SetShape>{
      {"forget_level1", 16, question, 0, 90},
      {"forget_level2", 14, question, 0, 90},
      {"forget_level3", 35, question, 0, 90},
      {"neighbor_level1", 29, question, 0, 90},
      {"neighbor_level2", 28, question, 0, 90},
      {"forget_mia", 31, {"loss", "zlib", "min_k_20", "min_k_plus_plus_20"}, 150},
      {"retain_mia", 37, {"loss", "zlib", "min_k_20", "min_k_plus_plus_20"}, 150},
      {"mmlu", 171, {"accuracy"}},
      {"bbh", 81, {"rea_reference", "rea_em", "degenerate"}, 0, 600},
      {"truthfulqa", 50, {"mc1", "mc2"}},
      {"triviaqa", 100, {"exact_match", "f1", "degenerate"}, 0, 90},
      {"fluency", 50, {"ngram_entropy", "degenerate"}, 0, 900}};
  return *shapes;
}

// Of this process, in MiB.
double ResidentMebibytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total = 0;
  int64_t resident = 0;
  file >> total >> resident;
  return static_cast<double>(resident * sysconf(_SC_PAGESIZE)) / (1024.0 * 1024.0);
}

std::vector<std::string> PredictionsOf(const std::string& target, Random& random) {
  std::vector<std::string> serialized;
  for (const SetShape& shape : Shapes()) {
    for (int i = 0; i < shape.probes; ++i) {
      v1::Prediction prediction;
      prediction.set_target(target);
      prediction.set_probe_set(shape.set);
      prediction.set_index(i);
      prediction.set_type("simple question");
      prediction.set_query("A question about " + target + " that is as long as they usually are?");
      prediction.set_output(std::string(static_cast<size_t>(shape.output), 'a'));
      for (const char* name : shape.scores) {
        v1::Score* score = prediction.add_scores();
        score->set_name(name);
        score->set_value(random.Uniform());
      }
      for (int t = 0; t < shape.tokens; ++t) {
        prediction.add_token_log_probabilities(static_cast<float>(-random.Uniform()));
        prediction.add_token_means(-2);
        prediction.add_token_variances(1);
      }
      serialized.push_back(prediction.SerializeAsString());
    }
  }
  return serialized;
}

class ScaleTest : public testing::Test {
 protected:
  ScaleTest() : root_(fs::path(testing::TempDir()) / absl::StrCat("scale_", getpid())) {
    fs::remove_all(root_);
    WriteFixtures(root_);
    store_ = *store::RocksStore::Open({.folder = root_ / "store"});
    Fill();
    server_ = std::make_unique<TestServer>(root_, store_.get());
  }
  ~ScaleTest() override {
    server_.reset();
    store_.reset();
    fs::remove_all(root_);
  }

  void Fill() {
    Random random(3, "scores");
    scheduler::RunRecord run;
    run.id = RunId("big");
    run.state = scheduler::RunState::kSucceeded;
    run.sequence = 1;
    v1::RunSpec spec = SpecOf({});
    v1::Recipe* recipe = spec.mutable_recipes(0);
    recipe->set_label("original");
    run.payload = spec.SerializeAsString();
    uint64_t revision = 0;
    for (int i = 0; i < kTargets; ++i) {
      const std::string target = absl::StrCat("Target ", i);
      store::Batch batch;
      const std::vector<std::string> predictions = PredictionsOf(target, random);
      predictions_ += predictions.size();
      scheduler::JobRecord job;
      job.id = JobId(absl::StrCat("big/", i));
      job.run = run.id;
      job.index = i;
      job.state = scheduler::JobState::kSucceeded;
      job.fencing_token = 1;
      v1::JobSpec job_spec;
      job_spec.set_target(target);
      *job_spec.mutable_recipe() = *recipe;
      job.payload = job_spec.SerializeAsString();
      v1::JobResult result;
      result.set_prediction_count(static_cast<int>(predictions.size()));
      job.result = result.SerializeAsString();
      job.revision = ++revision;
      batch.changes.emplace_back(scheduler::PutJob{job});
      for (size_t first = 0; first < predictions.size(); first += 256) {
        const size_t last = std::min(first + 256, predictions.size());
        batch.chunks.push_back({job.id,
                                1,
                                static_cast<int>(first / 256),
                                {predictions.begin() + static_cast<std::ptrdiff_t>(first),
                                 predictions.begin() + static_cast<std::ptrdiff_t>(last)}});
      }
      ASSERT_TRUE(store_->Commit({batch}).ok());
    }
    run.revision = ++revision;
    store::Batch batch;
    batch.changes.emplace_back(scheduler::PutRun{run});
    ASSERT_TRUE(store_->Commit({batch}).ok());
  }

  fs::path root_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<TestServer> server_;
  size_t predictions_ = 0;
};

TEST_F(ScaleTest, AReportAndAStreamOfTwoHundredTargetsNeedLittleMemory) {
  EXPECT_GT(predictions_, 120000u);
  const RealClock clock;
  const double before = ResidentMebibytes();
  v1::GetReportRequest request;
  request.add_runs("runs/big");
  request.set_details(true);
  v1::GetReportResponse report;
  absl::Duration start = clock.Monotonic();
  {
    grpc::ClientContext context;
    net::SetDeadline(&context);
    const grpc::Status status = server_->stub().GetReport(&context, request, &report);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  const absl::Duration taken = clock.Monotonic() - start;
  ASSERT_EQ(report.report().targets(0).rows_size(), kTargets);
  EXPECT_TRUE(report.table().rows(0).cells(0).has_low());
  const double after_report = ResidentMebibytes();

  v1::StreamPredictionsRequest all;
  all.set_parent("runs/big");
  grpc::ClientContext context;
  net::SetDeadline(&context, absl::Minutes(5));
  const auto stream = server_->stub().StreamPredictions(&context, all);
  size_t streamed = 0;
  double most = 0;
  v1::Prediction prediction;
  start = clock.Monotonic();
  while (stream->Read(&prediction)) {
    if (++streamed % 10000 == 0) {
      most = std::max(most, ResidentMebibytes());
    }
  }
  ASSERT_TRUE(stream->Finish().ok());
  EXPECT_EQ(streamed, predictions_);
  std::cout << predictions_ << " predictions: report with bootstrap in " << taken
            << ", streamed in " << clock.Monotonic() - start << "; resident MiB " << before
            << " before, " << after_report << " after the report, at most " << most
            << " while streaming\n";
  // All of them serialized are some 200 MiB; the block cache of the store is part of this.
  EXPECT_LT(after_report - before, 96);
  EXPECT_LT(most - before, 128);
}

}  // namespace
}  // namespace rwku::service
