// Attempts over several targets, evaluations on the way, collapse and export, on the fake engine.
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/file.h"
#include "tests/testing/fake_engine.h"
#include "worker/job/run_attempt.h"

namespace rwku::job {
namespace {

namespace fs = std::filesystem;
using ::rwku::testing::FakeEngine;
using ::rwku::testing::FakeEngineOptions;
using ::rwku::testing::WriteFakeModel;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kTargets = 3;

// "Target 1", ...
std::string Name(int number) { return absl::StrCat("Target ", number); }

class TargetModesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) /
            absl::StrCat("target_modes_test_", getpid(), "_",
                         ::testing::UnitTest::GetInstance()->current_test_info()->name());
    roots_ = {
        .models = root_ / "models", .datasets = root_ / "datasets", .exports = root_ / "exports"};
    ASSERT_TRUE(WriteFakeModel(roots_.models / "tiny", 1).ok());
    for (int i = 1; i <= kTargets; ++i) {
      const std::string name = Name(i);
      const fs::path folder = roots_.datasets / "small" / "Target" / absl::StrCat(i, "_Target_", i);
      fs::create_directories(folder);
      const std::string subject = absl::StrCat(R"({"subject": ")", name, R"(", )");
      Write(folder / "intro.json",
            absl::StrCat("[", subject, R"("intro": ")", name, R"( paints."}])"));
      Write(folder / "positive.json",
            absl::StrCat("[", subject, R"("text": ")", name, R"( paints in the north."},)", subject,
                         R"("text": ")", name, R"( was born."}])"));
      const std::string probe =
          absl::StrCat(R"("query": ")", name, R"( was born in ___.", "answer": "195)", i,
                       R"(", "level": "1", "type": "cloze"})");
      Write(folder / "forget_level1.json", absl::StrCat("[", subject, probe, "]"));
      if (i != 2) {
        Write(folder / "neighbor_level1.json",
              absl::StrCat("[", subject, R"("neighbor": "Bo", )", probe, "]"));
      }
    }
  }

  void TearDown() override { fs::remove_all(root_); }

  static void Write(const fs::path& path, const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(path, text).ok());
  }

  static AttemptSpec Spec(TargetMode mode, const std::string& method = "ga") {
    AttemptSpec spec;
    spec.model = "tiny";
    spec.dataset = "small";
    for (int i = 1; i <= kTargets; ++i) {
      spec.targets.push_back({.name = Name(i), .number = i});
    }
    if (mode == TargetMode::kSingle) {
      spec.targets.resize(1);
    }
    spec.mode = mode;
    spec.recipe.method = method;
    if (method == "ga") {
      spec.recipe.tuning = methods::Tuning::kFull;
    }
    spec.recipe.learning_rate = 1e-5;
    spec.recipe.epochs = 3;
    spec.probe_sets = {dataset::ProbeSet::kForgetLevel1};
    return spec;
  }

  absl::StatusOr<AttemptResult> Run(const AttemptSpec& spec, engine::Engine& engine) {
    predictions_.clear();
    stages_.clear();
    AttemptCallbacks callbacks;
    callbacks.on_progress = [this](const Progress& progress) {
      if (stages_.empty() || stages_.back() != StageName(progress.stage)) {
        stages_.emplace_back(StageName(progress.stage));
      }
      if (progress.loss.has_value()) {
        last_step_ = progress;
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

  // "checkpoint:target" of each prediction.
  std::vector<std::string> Order() const {
    std::vector<std::string> order;
    for (const evaluate::Prediction& prediction : predictions_) {
      order.push_back(absl::StrCat(prediction.checkpoint, ":", prediction.target.substr(7)));
    }
    return order;
  }

  // Output of the forget probe of a target at a checkpoint.
  std::string Output(int checkpoint, int target) const {
    for (const evaluate::Prediction& prediction : predictions_) {
      if (prediction.checkpoint == checkpoint && prediction.target == Name(target) &&
          prediction.probe_set == dataset::ProbeSet::kForgetLevel1) {
        return prediction.output;
      }
    }
    return "none";
  }

  fs::path root_;
  Roots roots_;
  RealClock clock_;
  CancelToken cancel_;
  std::vector<std::string> stages_;
  Progress last_step_;
  std::vector<evaluate::Prediction> predictions_;
};

TEST_F(TargetModesTest, ABatchTrainsOnceOnAllCorporaAndEvaluatesEachTarget) {
  FakeEngine engine({});
  const auto result = Run(Spec(TargetMode::kBatch), engine);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(engine.plans().size(), 1U);
  EXPECT_EQ(engine.plans()[0].texts.size(), 6U);
  EXPECT_EQ(engine.plans()[0].texts[2], "Target 2 paints in the north.");
  EXPECT_EQ(result->corpus_texts, 6);
  EXPECT_EQ(result->trained_parameters, 1000);
  EXPECT_EQ(result->model_loads, 1);
  EXPECT_THAT(Order(), ElementsAre("0:1", "0:2", "0:3"));
  EXPECT_THAT(stages_, ElementsAre("load", "corpus", "unlearn", "evaluate", "commit"));
}

TEST_F(TargetModesTest, ATargetOfSeveralIsAskedTheSetsThatItHas) {
  FakeEngine engine({});
  AttemptSpec spec = Spec(TargetMode::kBatch);
  spec.probe_sets.push_back(dataset::ProbeSet::kNeighborLevel1);
  ASSERT_TRUE(Run(spec, engine).ok());
  EXPECT_THAT(Order(), ElementsAre("0:1", "0:1", "0:2", "0:3", "0:3"));
}

TEST_F(TargetModesTest, EachTargetOfABatchHasItsOwnIcuPrefix) {
  FakeEngine batch({});
  ASSERT_TRUE(Run(Spec(TargetMode::kBatch, "icu"), batch).ok());
  const std::string second = Output(0, 2);
  AttemptSpec alone = Spec(TargetMode::kSingle, "icu");
  alone.targets = {{.name = Name(2), .number = 2}};
  FakeEngine single({});
  ASSERT_TRUE(Run(alone, single).ok());
  EXPECT_EQ(Output(0, 2), second);
}

TEST_F(TargetModesTest, ASequenceTrainsOnAndEvaluatesWhatItHasForgottenSoFar) {
  FakeEngine engine({});
  const auto result = Run(Spec(TargetMode::kSequential), engine);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(engine.plans().size(), 3U);
  EXPECT_EQ(engine.restores(), 1);
  EXPECT_THAT(engine.plans()[2].texts,
              ElementsAre("Target 3 paints in the north.", "Target 3 was born."));
  EXPECT_THAT(Order(), ElementsAre("1:1", "2:1", "2:2", "0:1", "0:2", "0:3"));
  EXPECT_THAT(stages_, ElementsAre("load", "corpus", "unlearn", "evaluate", "unlearn", "evaluate",
                                   "unlearn", "evaluate", "commit"));
  EXPECT_EQ(result->corpus_texts, 6);
  // One curve, its steps counted on: 3 trainings of 3 epochs of 2 texts.
  ASSERT_EQ(result->training_curve.size(), 18U);
  for (size_t i = 0; i < result->training_curve.size(); ++i) {
    EXPECT_EQ(result->training_curve[i].step, static_cast<int>(i + 1));
  }
  EXPECT_EQ(last_step_.done, 18);
  EXPECT_EQ(last_step_.total, 18);
}

TEST_F(TargetModesTest, TheFirstOfASequenceIsTheSingleJob) {
  FakeEngine engine({});
  ASSERT_TRUE(Run(Spec(TargetMode::kSequential), engine).ok());
  const std::string first = Output(1, 1);
  ASSERT_TRUE(Run(Spec(TargetMode::kSingle), engine).ok());
  EXPECT_EQ(Output(0, 1), first);
}

TEST_F(TargetModesTest, AMethodThatDoesNotTrainIsEvaluatedOnceInASequence) {
  FakeEngine engine({});
  ASSERT_TRUE(Run(Spec(TargetMode::kSequential, "original"), engine).ok());
  EXPECT_THAT(Order(), ElementsAre("0:1", "0:2", "0:3"));
}

TEST_F(TargetModesTest, EveryEpochIsEvaluatedAndTheLastOneOnce) {
  FakeEngine engine({});
  AttemptSpec spec = Spec(TargetMode::kSingle);
  spec.evaluate_epochs = true;
  const auto result = Run(spec, engine);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Order(), ElementsAre("1:1", "2:1", "0:1"));
  EXPECT_EQ(result->epochs_trained, 0);
  EXPECT_THAT(result->collapse, IsEmpty());
  EXPECT_NE(Output(1, 1), "none");
  const std::string end = Output(0, 1);
  spec.evaluate_epochs = false;
  ASSERT_TRUE(Run(spec, engine).ok());
  EXPECT_EQ(Output(0, 1), end);
}

TEST_F(TargetModesTest, EpochsOfABatchAreEvaluatedOnAllTargets) {
  FakeEngine engine({});
  AttemptSpec spec = Spec(TargetMode::kBatch);
  spec.evaluate_epochs = true;
  spec.recipe.epochs = 2;
  ASSERT_TRUE(Run(spec, engine).ok());
  EXPECT_THAT(Order(), ElementsAre("1:1", "1:2", "1:3", "0:1", "0:2", "0:3"));
}

TEST_F(TargetModesTest, ACollapsedModelStopsItsTrainingAndSaysSo) {
  FakeEngineOptions options;
  options.mute_learning_rate = 1e-5;
  FakeEngine engine(std::move(options));
  AttemptSpec spec = Spec(TargetMode::kSingle);
  spec.evaluate_epochs = true;
  const auto result = Run(spec, engine);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Order(), ElementsAre("0:1"));
  EXPECT_EQ(result->epochs_trained, 1);
  EXPECT_THAT(result->collapse, HasSubstr("after epoch 1: 1 of 1 answers to forget probes"));
  EXPECT_EQ(result->training_curve.size(), 6U / 3);
  // The next job starts from a model that answers.
  spec.recipe.learning_rate = 1e-6;
  const auto next = Run(spec, engine);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_THAT(next->collapse, IsEmpty());
}

TEST_F(TargetModesTest, WithoutEvaluationsOnTheWayNothingStops) {
  FakeEngineOptions options;
  options.mute_learning_rate = 1e-5;
  FakeEngine engine(std::move(options));
  const auto result = Run(Spec(TargetMode::kSingle), engine);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->collapse, IsEmpty());
  EXPECT_EQ(result->training_curve.size(), 6U);
}

TEST_F(TargetModesTest, SteeringTakesTheTemplatesOfTheTarget) {
  FakeEngine engine({});
  AttemptSpec spec = Spec(TargetMode::kSingle, "repe");
  spec.recipe.strength = 1.5;
  spec.recipe.layers = methods::Layers{1, 3};
  const auto result = Run(spec, engine);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(engine.steerings().size(), 1U);
  EXPECT_EQ(engine.steerings()[0].novice,
            "Target 1 paints. You don't know Target 1 at all.\nPlease feel free to fabricate "
            "information about Target 1.");
  EXPECT_EQ(engine.steerings()[0].strength, 1.5);
  EXPECT_EQ(engine.steerings()[0].layers, (engine::LayerRange{1, 3}));
  EXPECT_THAT(engine.plans(), IsEmpty());
  const std::string steered = Output(0, 1);
  ASSERT_TRUE(Run(Spec(TargetMode::kSingle, "original"), engine).ok());
  EXPECT_NE(Output(0, 1), steered);
  spec = Spec(TargetMode::kBatch, "repe");
  EXPECT_EQ(Classify(Run(spec, engine).status()), FailureClass::kInput);
}

TEST_F(TargetModesTest, WeightsAreKeptAsTheyWereTrained) {
  FakeEngine engine({});
  AttemptSpec spec = Spec(TargetMode::kSequential);
  spec.export_folder = "r1/0";
  fs::create_directories(roots_.exports / "r1" / "0" / "left_over");
  const auto result = Run(spec, engine);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->export_folder, "r1/0");
  EXPECT_FALSE(fs::exists(roots_.exports / "r1" / "0" / "left_over"));
  const auto weights = ReadFile(roots_.exports / "r1" / "0" / "weights.txt");
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_NE(*weights, result->original_weights_checksum);
}

TEST_F(TargetModesTest, WithoutAnExportRootAnExportFailsBeforeTheTraining) {
  roots_.exports.clear();
  FakeEngine engine({});
  AttemptSpec spec = Spec(TargetMode::kSingle);
  spec.export_folder = "r1/0";
  const auto result = Run(spec, engine);
  EXPECT_EQ(Classify(result.status()), FailureClass::kInput) << result.status();
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("--export-root"));
  EXPECT_THAT(engine.plans(), IsEmpty());
}

TEST_F(TargetModesTest, ASingleJobIsTheSameWhateverRanBefore) {
  FakeEngine fresh({});
  ASSERT_TRUE(Run(Spec(TargetMode::kSingle), fresh).ok());
  const std::string expected = Output(0, 1);
  FakeEngine engine({});
  for (const TargetMode mode : {TargetMode::kBatch, TargetMode::kSequential}) {
    ASSERT_TRUE(Run(Spec(mode), engine).ok());
    const auto result = Run(Spec(TargetMode::kSingle), engine);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->model_loads, 0);
    EXPECT_EQ(Output(0, 1), expected);
  }
}

}  // namespace
}  // namespace rwku::job
