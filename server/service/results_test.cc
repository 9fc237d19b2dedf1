// What the service makes of stored predictions: reports, comparisons, filters, new scores.
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "benchmark/evaluate/score_prediction.h"
#include "net/channel.h"
#include "server/service/test_server.h"
#include "server/store/mem_store.h"

namespace rwku::service {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Stub = v1::UnlearningService::Stub;

class ResultsTest : public testing::Test {
 protected:
  ResultsTest() : root_(fs::path(testing::TempDir()) / absl::StrCat("results_", getpid())) {
    fs::remove_all(root_);
    WriteFixtures(root_);
    server_ = std::make_unique<TestServer>(root_, &store_);
  }
  ~ResultsTest() override {
    server_.reset();
    fs::remove_all(root_);
  }

  template <typename Method, typename Request, typename Response>
  grpc::Status Call(Method method, const Request& request, Response* response) {
    grpc::ClientContext context;
    net::SetDeadline(&context);
    return (server_->stub().*method)(&context, request, response);
  }

  // A run of `recipes` over both targets, finished by a worker that sends what `answer` says.
  template <typename Answer>
  std::string FinishedRun(const std::vector<std::string>& recipes, const Answer& answer) {
    v1::RunSpec spec = SpecOf({"1", "2"});
    spec.clear_recipes();
    for (const std::string& method : recipes) {
      spec.add_recipes()->set_method(method);
    }
    const v1::Run run = server_->CreateRun(spec);
    ScriptedWorker worker(server_->address());
    worker.Join(ScriptedWorker::HelloOf("w0"));
    for (size_t i = 0; i < 2 * recipes.size(); ++i) {
      const v1::Assign assign = worker.Receive().assign();
      std::vector<v1::Prediction> predictions = answer(assign.spec());
      std::string bytes;
      v1::WorkerMessage chunk;
      *chunk.mutable_prediction_chunk()->mutable_lease() = assign.lease();
      for (v1::Prediction& prediction : predictions) {
        prediction.set_target(assign.spec().target());
        bytes += prediction.SerializeAsString();
        *chunk.mutable_prediction_chunk()->add_predictions() = prediction;
      }
      worker.Send(chunk);
      EXPECT_TRUE(worker.Receive().has_chunk_ack());
      v1::WorkerMessage completed = ScriptedWorker::CompletedOf(assign);
      v1::JobResult* result = completed.mutable_completed()->mutable_result();
      result->set_prediction_count(static_cast<int>(predictions.size()));
      result->set_predictions_digest(Sha256Hex(bytes));
      result->set_word_tokenizer("punkt");
      worker.Send(completed);
      EXPECT_TRUE(worker.Receive().has_result_ack());
    }
    return run.name();
  }

  std::vector<v1::PredictionRow> Predictions(const std::string& run,
                                             const v1::PredictionFilter& filter = {}) {
    v1::ListPredictionsRequest request;
    request.set_parent(run);
    *request.mutable_filter() = filter;
    v1::ListPredictionsResponse response;
    EXPECT_TRUE(Call(&Stub::ListPredictions, request, &response).ok());
    return {response.predictions().begin(), response.predictions().end()};
  }

  fs::path root_;
  store::MemStore store_;
  std::unique_ptr<TestServer> server_;
};

v1::Prediction Question(const std::string& query, const std::string& answer,
                        const std::string& output, double score) {
  v1::Prediction prediction;
  prediction.set_probe_set("forget_level1");
  prediction.set_type("cloze");
  prediction.set_query(query);
  prediction.set_answer(answer);
  prediction.set_output(output);
  prediction.add_answer_log_probabilities(-0.5F);
  prediction.add_answer_is_most_likely(true);
  v1::Score* recall = prediction.add_scores();
  recall->set_name("rouge_l_recall");
  recall->set_value(score);
  return prediction;
}

v1::Prediction Text(const std::string& text) {
  v1::Prediction prediction;
  prediction.set_probe_set("forget_mia");
  prediction.set_query(text);
  prediction.add_token_log_probabilities(-2.0F);
  prediction.add_token_means(-3.0F);
  prediction.add_token_variances(1.0F);
  v1::Score* loss = prediction.add_scores();
  loss->set_name("loss");
  loss->set_value(-9);
  return prediction;
}

double ScoreOf(const v1::Prediction& prediction, const std::string& name) {
  for (const v1::Score& score : prediction.scores()) {
    if (score.name() == name) {
      return score.value();
    }
  }
  ADD_FAILURE() << "no score " << name;
  return -1;
}

TEST_F(ResultsTest, RescoringReplacesScoresDigestAndVersionTogetherAndIsIdempotent) {
  const std::string run = FinishedRun({"original", "icu"}, [](const v1::JobSpec& /*spec*/) {
    return std::vector<v1::Prediction>{Question("Where?", "Old Town", "Old Bridge", 0.9),
                                       Text("Ada writes.")};
  });
  v1::RescoreRunRequest request;
  request.set_name(run);
  v1::RescoreRunResponse response;
  const grpc::Status status = Call(&Stub::RescoreRun, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.metrics_version(), evaluate::kMetricsVersion);
  EXPECT_EQ(response.jobs_changed(), 4);
  EXPECT_EQ(response.predictions(), 8);

  const std::vector<v1::PredictionRow> rows = Predictions(run);
  ASSERT_EQ(rows.size(), 8u);
  EXPECT_EQ(ScoreOf(rows[0].prediction(), "rouge_l_recall"), 0.5);
  EXPECT_EQ(ScoreOf(rows[0].prediction(), "extraction_strength"), 1);
  EXPECT_EQ(ScoreOf(rows[1].prediction(), "loss"), -2);
  // In-context unlearning wrote its instruction before the text: its Zlib is over both.
  EXPECT_EQ(rows[7].recipe(), "icu");
  EXPECT_GT(ScoreOf(rows[7].prediction(), "zlib"), ScoreOf(rows[1].prediction(), "zlib"));
  for (const v1::Job& job : server_->Jobs(run)) {
    EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED);
    EXPECT_EQ(job.fencing_token(), 1u);
    EXPECT_EQ(job.result().metrics_version(), evaluate::kMetricsVersion);
    EXPECT_EQ(job.result().word_tokenizer(), "fallback");
    std::string bytes;
    for (const v1::PredictionRow& row : rows) {
      if (row.job() == job.name()) {
        bytes += row.prediction().SerializeAsString();
      }
    }
    EXPECT_EQ(job.result().predictions_digest(), Sha256Hex(bytes));
  }
  ASSERT_TRUE(Call(&Stub::RescoreRun, request, &response).ok());
  EXPECT_EQ(response.jobs_changed(), 0);
  EXPECT_EQ(response.jobs_unchanged(), 4);
}

TEST_F(ResultsTest, RescoringAnUnknownRunIsNotFound) {
  v1::RescoreRunRequest request;
  request.set_name("runs/nope");
  v1::RescoreRunResponse response;
  EXPECT_EQ(Call(&Stub::RescoreRun, request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ResultsTest, TheFullReportHasEveryTableAndSaysWhichMetricsMadeIt) {
  const std::string run = FinishedRun({"original"}, [](const v1::JobSpec& /*spec*/) {
    return std::vector<v1::Prediction>{Question("Where?", "Old Town", "Old Bridge", 0.5)};
  });
  v1::GetReportRequest request;
  request.add_runs(run);
  request.set_details(true);
  v1::GetReportResponse response;
  ASSERT_TRUE(Call(&Stub::GetReport, request, &response).ok());
  std::vector<std::string> keys;
  for (const v1::ReportTable& table : response.report().tables()) {
    keys.push_back(table.key());
  }
  EXPECT_THAT(keys, ElementsAre("main", "attack_types", "mia_forget", "mia_retain", "mia_auc",
                                "utility", "degeneracy", "memorization"));
  ASSERT_EQ(response.report().targets_size(), 1);
  EXPECT_EQ(response.report().targets(0).rows_size(), 2);
  EXPECT_EQ(response.table().columns_size(), 14);
  EXPECT_DOUBLE_EQ(response.table().rows(0).cells(0).value(), 50);
  EXPECT_DOUBLE_EQ(response.table().rows(0).cells(0).low(), 50);
  // No probe of these sets: missing, not 0.
  EXPECT_FALSE(response.table().rows(0).cells(9).has_value());
  EXPECT_THAT(response.report().notes(0), HasSubstr("Metric version 0"));
}

TEST_F(ResultsTest, TwoRecipesOfARunAreComparedOverTheirTargets) {
  const std::string run = FinishedRun({"original", "icu"}, [](const v1::JobSpec& spec) {
    const double score = spec.recipe().method() == "icu" ? 0.25 : 1.0;
    return std::vector<v1::Prediction>{Question("Where?", "Old Town", "x", score)};
  });
  v1::CompareRunsRequest request;
  request.set_base(run);
  request.set_other(run);
  v1::CompareRunsResponse response;
  grpc::Status status = Call(&Stub::CompareRuns, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("original, icu"));

  request.set_base_recipe("original");
  status = Call(&Stub::CompareRuns, request, &response);
  EXPECT_THAT(status.error_message(), HasSubstr("name both or none"));
  request.set_other_recipe("icus");
  status = Call(&Stub::CompareRuns, request, &response);
  EXPECT_THAT(status.error_message(), HasSubstr("icu"));

  request.set_other_recipe("icu");
  status = Call(&Stub::CompareRuns, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.comparisons_size(), 1);
  const v1::ComparisonCell& forget = response.comparisons(0).cells(0);
  EXPECT_EQ(response.comparisons(0).columns(0).key(), "forget_fb");
  EXPECT_DOUBLE_EQ(forget.base(), 100);
  EXPECT_DOUBLE_EQ(forget.other(), 25);
  EXPECT_DOUBLE_EQ(forget.difference(), -75);
  EXPECT_EQ(forget.targets(), 2);
  EXPECT_DOUBLE_EQ(forget.p(), 0.5);  // two targets: four patterns, two as extreme
}

TEST_F(ResultsTest, PredictionsAreFilteredByVerdictAndText) {
  const std::string run = FinishedRun({"original"}, [](const v1::JobSpec& /*spec*/) {
    return std::vector<v1::Prediction>{Question("Where?", "Old Town", "In Old Town.", 1.0),
                                       Question("Who?", "Ada", "Bo", 0.5), Text("Ada writes.")};
  });
  v1::PredictionFilter filter;
  filter.set_verdict(v1::VERDICT_RIGHT);
  EXPECT_EQ(Predictions(run, filter).size(), 2u);
  filter.set_verdict(v1::VERDICT_WRONG);
  const std::vector<v1::PredictionRow> wrong = Predictions(run, filter);
  ASSERT_EQ(wrong.size(), 2u);
  EXPECT_EQ(wrong[0].prediction().query(), "Who?");
  filter.set_verdict(v1::VERDICT_UNSPECIFIED);
  filter.set_text("ADA");
  EXPECT_EQ(Predictions(run, filter).size(), 4u);
  filter.set_text("town");
  EXPECT_EQ(Predictions(run, filter).size(), 2u);
}

}  // namespace
}  // namespace rwku::service
