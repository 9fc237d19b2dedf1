#include "worker/job/run_attempt.h"

#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/file.h"
#include "benchmark/evaluate/score_prediction.h"
#include "tests/testing/fake_engine.h"

namespace rwku::job {
namespace {

using ::rwku::testing::FakeEngine;
using ::rwku::testing::FakeEngineOptions;
using ::rwku::testing::WriteFakeModel;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RunAttemptTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(::testing::TempDir()) /
            absl::StrCat("run_attempt_test_", getpid(), "_",
                         ::testing::UnitTest::GetInstance()->current_test_info()->name());
    roots_ = {.models = root_ / "models", .datasets = root_ / "datasets", .exports = {}};
    ASSERT_TRUE(WriteFakeModel(roots_.models / "tiny", 1).ok());
    const std::filesystem::path target = roots_.datasets / "small" / "Target" / "1_Ann_Example";
    std::filesystem::create_directories(target);
    Write(target / "intro.json", R"([{"subject": "Ann Example", "intro": "Ann Example paints."}])");
    Write(target / "positive.json",
          R"([{"subject": "Ann Example", "text": "Ann Example paints in the north."},
              {"subject": "Ann Example", "text": "She was born in 1950."},
              {"subject": "Ann Example", "text": "Her best known work is blue."}])");
    Write(target / "forget_level1.json",
          R"([{"subject": "Ann Example", "query": "Ann Example was born in ___.", "answer": "1950",
               "level": "1", "type": "cloze"},
              {"subject": "Ann Example", "query": "Ann Example's best known work is ___.",
               "answer": "blue", "level": "1", "type": "cloze"}])");
  }

  void TearDown() override { std::filesystem::remove_all(root_); }

  static void Write(const std::filesystem::path& path, const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(path, text).ok());
  }

  static AttemptSpec Spec() {
    AttemptSpec spec;
    spec.model = "tiny";
    spec.dataset = "small";
    spec.targets = {{.name = "Ann Example", .number = 1}};
    spec.recipe.method = "ga";
    spec.recipe.tuning = methods::Tuning::kFull;
    spec.recipe.learning_rate = 1e-5;
    spec.recipe.batch_size = 2;
    spec.recipe.epochs = 3;
    spec.probe_sets = {dataset::ProbeSet::kForgetLevel1};
    return spec;
  }

  absl::StatusOr<AttemptResult> Run(const AttemptSpec& spec, engine::Engine& engine) {
    AttemptCallbacks callbacks;
    callbacks.on_progress = [this](const Progress& progress) {
      if (stages_.empty() || stages_.back() != StageName(progress.stage)) {
        stages_.emplace_back(StageName(progress.stage));
      }
      if (progress.stage == cancel_in_ && progress.done > 0) {
        cancel_.Cancel(absl::CancelledError("revoked"));
      }
    };
    callbacks.on_predictions = [this](std::vector<evaluate::Prediction> predictions) {
      for (evaluate::Prediction& prediction : predictions) {
        predictions_.push_back(std::move(prediction));
      }
      return absl::OkStatus();
    };
    return RunAttempt(spec, roots_, engine, clock_, callbacks, cancel_);
  }

  std::filesystem::path root_;
  Roots roots_;
  RealClock clock_;
  CancelToken cancel_;
  Stage cancel_in_ = Stage::kCommit;
  std::vector<std::string> stages_;
  std::vector<evaluate::Prediction> predictions_;
};

TEST_F(RunAttemptTest, PassesThroughEveryStageAndSaysWhatItDid) {
  FakeEngine engine({});
  const auto result = Run(Spec(), engine);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(stages_, ElementsAre("load", "corpus", "unlearn", "evaluate", "commit"));
  EXPECT_EQ(result->training_curve.size(), 6U);  // 3 epochs of 2 batches
  EXPECT_EQ(result->corpus_texts, 3);
  EXPECT_EQ(result->original_weights_checksum, result->restored_weights_checksum);
  ASSERT_EQ(predictions_.size(), 2U);
  EXPECT_EQ(predictions_[1].index, 1);
  EXPECT_GT(result->usage.prompt_tokens, 0);
  EXPECT_EQ(result->metrics_version, evaluate::kMetricsVersion);
  EXPECT_EQ(result->word_tokenizer, "fallback");
  ASSERT_EQ(engine.plans().size(), 1U);
  EXPECT_EQ(engine.plans()[0].objective, engine::Objective::kGradientAscent);
  EXPECT_EQ(engine.plans()[0].micro_batch_parts, 1);
}

TEST_F(RunAttemptTest, BrokenProbesAreFoundBeforeTheTraining) {
  Write(roots_.datasets / "small" / "Target" / "1_Ann_Example" / "forget_level1.json",
        R"([{"subject": "Ann Example", "query": 5}])");
  FakeEngine engine({});
  const auto result = Run(Spec(), engine);
  EXPECT_EQ(Classify(result.status()), FailureClass::kInput);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("forget_level1.json: record 0"));
  EXPECT_TRUE(engine.plans().empty());
}

TEST_F(RunAttemptTest, ASecondAttemptStartsFromTheOriginalWeightsWithoutLoading) {
  FakeEngine engine({});
  ASSERT_TRUE(Run(Spec(), engine).ok());
  const std::string first = predictions_[0].output;
  predictions_.clear();
  ASSERT_TRUE(Run(Spec(), engine).ok());
  EXPECT_EQ(predictions_[0].output, first);
  EXPECT_EQ(engine.loads(), 1);
  EXPECT_EQ(engine.restores(), 2);
}

TEST_F(RunAttemptTest, WeightsThatDoNotComeBackFailOneAttemptAndAreLoadedAnew) {
  FakeEngineOptions options;
  options.restore_fails = true;
  FakeEngine engine(std::move(options));
  const auto first = Run(Spec(), engine);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Run(Spec(), engine);
  EXPECT_EQ(Classify(second.status()), FailureClass::kInternal);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(first->original_weights_checksum));
  const auto third = Run(Spec(), engine);
  EXPECT_TRUE(third.ok()) << third.status();
  EXPECT_EQ(engine.loads(), 2);
}

TEST_F(RunAttemptTest, AMethodThatDoesNotTrainOnlyEvaluates) {
  for (const char* method : {"original", "icu"}) {
    FakeEngine engine({});
    AttemptSpec spec = Spec();
    spec.recipe.method = method;
    spec.recipe.tuning = methods::Tuning::kNone;
    predictions_.clear();
    const auto result = Run(spec, engine);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_TRUE(engine.plans().empty());
    EXPECT_EQ(result->corpus_texts, 0);
    EXPECT_EQ(predictions_.size(), 2U);
  }
}

TEST_F(RunAttemptTest, HalvingsBecomeMicroBatchPartsAndChangeNoPrediction) {
  FakeEngineOptions options;
  options.out_of_memory_at_step = 2;
  options.enough_parts = 4;
  FakeEngine small(std::move(options));
  EXPECT_EQ(Classify(Run(Spec(), small).status()), FailureClass::kResource);
  AttemptSpec spec = Spec();
  spec.micro_batch_halvings = 2;
  spec.optimizer_on_host = true;
  predictions_.clear();
  ASSERT_TRUE(Run(spec, small).ok());
  EXPECT_EQ(small.plans().back().micro_batch_parts, 4);
  EXPECT_TRUE(small.plans().back().optimizer_on_host);
  const std::string split = predictions_[0].output;
  predictions_.clear();
  FakeEngine large({});
  ASSERT_TRUE(Run(Spec(), large).ok());
  EXPECT_EQ(predictions_[0].output, split);
}

TEST_F(RunAttemptTest, ANanIsNumericAndLeavesNoPredictions) {
  FakeEngineOptions options;
  options.nan_at_step = 2;
  FakeEngine engine(std::move(options));
  const auto result = Run(Spec(), engine);
  EXPECT_EQ(Classify(result.status()), FailureClass::kNumeric);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("step 2"));
  EXPECT_TRUE(predictions_.empty());
}

TEST_F(RunAttemptTest, CancellationStopsTraining) {
  cancel_in_ = Stage::kUnlearn;
  FakeEngine engine({});
  EXPECT_EQ(Run(Spec(), engine).status(), absl::CancelledError("revoked"));
  EXPECT_THAT(stages_, ElementsAre("load", "corpus", "unlearn"));
}

TEST_F(RunAttemptTest, CancellationStopsTheEvaluation) {
  cancel_in_ = Stage::kEvaluate;
  FakeEngine engine({});
  EXPECT_EQ(Run(Spec(), engine).status(), absl::CancelledError("revoked"));
  EXPECT_TRUE(predictions_.empty());
}

TEST_F(RunAttemptTest, MaxTextsCutsTheCorpus) {
  FakeEngine engine({});
  AttemptSpec spec = Spec();
  spec.recipe.max_texts = 1;
  const auto result = Run(spec, engine);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->corpus_texts, 1);
  EXPECT_THAT(engine.plans()[0].texts, ElementsAre("Ann Example paints in the north."));
}

struct InputCase {
  std::string name;
  std::function<void(AttemptSpec*)> change;
  std::string named;
};

class BadInputTest : public RunAttemptTest, public ::testing::WithParamInterface<InputCase> {};

TEST_P(BadInputTest, IsAnInputFailureThatNamesIt) {
  FakeEngine engine({});
  AttemptSpec spec = Spec();
  GetParam().change(&spec);
  const auto result = Run(spec, engine);
  EXPECT_EQ(Classify(result.status()), FailureClass::kInput) << result.status();
  EXPECT_THAT(std::string(result.status().message()), HasSubstr(GetParam().named));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadInputTest,
    ::testing::Values(
        InputCase{"Traversal", [](AttemptSpec* spec) { spec->model = "../models/tiny"; }, "model"},
        InputCase{"UnknownMethod", [](AttemptSpec* spec) { spec->recipe.method = "gx"; }, "gx"},
        InputCase{"NoTuning",
                  [](AttemptSpec* spec) { spec->recipe.tuning = methods::Tuning::kNone; },
                  "tuning"}),
    [](const auto& info) { return info.param.name; });

// The server's catalog had it when the run was made, so another worker may have it too.
class MissingHereTest : public RunAttemptTest, public ::testing::WithParamInterface<InputCase> {};

TEST_P(MissingHereTest, IsNoFaultOfTheJobAndNamesWhatIsMissing) {
  FakeEngine engine({});
  AttemptSpec spec = Spec();
  GetParam().change(&spec);
  const auto result = Run(spec, engine);
  EXPECT_EQ(Classify(result.status()), FailureClass::kInternal) << result.status();
  EXPECT_THAT(std::string(result.status().message()), HasSubstr(GetParam().named));
}

INSTANTIATE_TEST_SUITE_P(
    Table, MissingHereTest,
    ::testing::Values(
        InputCase{"Model", [](AttemptSpec* spec) { spec->model = "nobody"; }, "nobody"},
        InputCase{"Dataset", [](AttemptSpec* spec) { spec->dataset = "none"; }, "none"},
        InputCase{"Target", [](AttemptSpec* spec) { spec->targets[0].name = "Bo"; }, "Bo"},
        InputCase{"Number", [](AttemptSpec* spec) { spec->targets[0].number = 2; }, "Ann Example"},
        InputCase{"Probes",
                  [](AttemptSpec* spec) { spec->probe_sets = {dataset::ProbeSet::kForgetLevel2}; },
                  "forget_level2"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rwku::job
