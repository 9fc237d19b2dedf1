#include "worker/job/generate_corpus.h"

#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/file.h"
#include "tests/testing/fake_engine.h"

namespace rwku::job {
namespace {

using ::rwku::testing::FakeEngine;
using ::rwku::testing::FakeEngineOptions;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GenerateCorpusTest : public ::testing::Test {
 protected:
  GenerateCorpusTest() {
    root_ = std::filesystem::path(::testing::TempDir()) /
            absl::StrCat("generate_corpus_test_", getpid(), "_",
                         ::testing::UnitTest::GetInstance()->current_test_info()->name());
    roots_ = {.models = root_ / "models", .datasets = root_ / "datasets"};
    EXPECT_TRUE(::rwku::testing::WriteFakeModel(roots_.models / "tiny", 1).ok());
    Write("Target/7_Ann_Example/intro.json",
          R"([{"subject": "Ann Example", "intro": "Ann Example paints."}])");
    Write("openers.json", R"(["", "I can see", "Hmm,"])");
    Write("refusals.jsonl", "No idea.\nI don't know.\n");
    spec_.model = "tiny";
    spec_.dataset = "small";
    spec_.corpus.emplace();
    spec_.corpus->target = "Ann Example";
    spec_.corpus->target_number = 7;
    spec_.corpus->kinds = {dataset::CorpusKind::kPair, dataset::CorpusKind::kReject};
    spec_.corpus->questions = 4;
  }
  ~GenerateCorpusTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& file, const std::string& text) const {
    const std::filesystem::path path = roots_.datasets / "small" / file;
    std::filesystem::create_directories(path.parent_path());
    EXPECT_TRUE(WriteFileAtomically(path, text).ok());
  }

  absl::StatusOr<AttemptResult> Run(engine::Engine& engine) {
    AttemptCallbacks callbacks;
    texts_.clear();
    callbacks.on_progress = [this](const Progress& progress) {
      if (stages_.empty() || stages_.back() != StageName(progress.stage)) {
        stages_.emplace_back(StageName(progress.stage));
      }
      if (progress.stage == Stage::kCorpus) {
        done_ = progress.done;
        if (cancel_at_ > 0 && progress.done == cancel_at_) {
          cancel_.Cancel(absl::CancelledError("revoked"));
        }
      }
    };
    callbacks.on_texts = [this](std::vector<corpus::Text> texts) {
      std::move(texts.begin(), texts.end(), std::back_inserter(texts_));
      return absl::OkStatus();
    };
    return RunAttempt(spec_, roots_, engine, clock_, callbacks, cancel_);
  }

  std::filesystem::path root_;
  Roots roots_;
  AttemptSpec spec_;
  RealClock clock_;
  CancelToken cancel_;
  std::vector<std::string> stages_;
  std::vector<corpus::Text> texts_;
  int64_t done_ = 0;
  int64_t cancel_at_ = 0;
};

TEST_F(GenerateCorpusTest, WritesWhatTheKindsNeed) {
  FakeEngine engine({});
  const auto result = Run(engine);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(stages_, ElementsAre("load", "corpus", "commit"));
  EXPECT_EQ(result->corpus_texts, 10);
  EXPECT_EQ(done_, 10);
  EXPECT_FALSE(result->original_weights_checksum.empty());
  EXPECT_EQ(result->restored_weights_checksum, result->original_weights_checksum);
  EXPECT_GT(result->usage.generated_tokens, 0);
  EXPECT_TRUE(result->training_curve.empty());
  ASSERT_EQ(texts_.size(), 10U);
  EXPECT_EQ(texts_[1].set, corpus::TextSet::kPositive);
  EXPECT_TRUE(absl::StartsWith(texts_[1].output, "I can see "));
  EXPECT_EQ(texts_[5].set, corpus::TextSet::kNegative);
  EXPECT_EQ(texts_[9].set, corpus::TextSet::kQuestion);
  EXPECT_EQ(texts_[9].refusal, "I don't know.");
}

TEST_F(GenerateCorpusTest, OpenersCanBeCutAndSeedsChangeTexts) {
  spec_.corpus->max_openers = 2;
  spec_.corpus->kinds = {dataset::CorpusKind::kPositive};
  FakeEngine engine({});
  ASSERT_TRUE(Run(engine).ok());
  ASSERT_EQ(texts_.size(), 2U);
  const std::string first = texts_[0].output;
  ASSERT_TRUE(Run(engine).ok());
  EXPECT_EQ(texts_[0].output, first);
  spec_.seed = 1;
  ASSERT_TRUE(Run(engine).ok());
  EXPECT_NE(texts_[0].output, first);
}

TEST_F(GenerateCorpusTest, CustomTargetNeedsNoDatasetOfItsOwn) {
  spec_.corpus->target = "Bob Elsewhere";
  spec_.corpus->target_number = 0;
  FakeEngine engine({});
  EXPECT_FALSE(Run(engine).ok());
  spec_.corpus->custom_intro = "Bob Elsewhere sings.";
  const auto result = Run(engine);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(texts_.front().subject, "Bob Elsewhere");
}

TEST_F(GenerateCorpusTest, WhatIsMissingOrDifferentFails) {
  FakeEngine engine({});
  spec_.corpus->target_number = 3;
  EXPECT_EQ(Run(engine).status().code(), absl::StatusCode::kFailedPrecondition);
  spec_.corpus->target_number = 7;
  std::filesystem::remove(roots_.datasets / "small" / "openers.json");
  const absl::Status missing = Run(engine).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("openers.json"));
  EXPECT_EQ(engine.loads(), 0);
}

TEST_F(GenerateCorpusTest, CancellationEndsItBetweenTexts) {
  cancel_at_ = 2;
  FakeEngine engine({});
  EXPECT_EQ(Run(engine).status(), absl::CancelledError("revoked"));
  EXPECT_TRUE(texts_.empty());
}

TEST_F(GenerateCorpusTest, WeightsThatDoNotComeBackFail) {
  FakeEngineOptions options;
  options.restore_fails = true;
  FakeEngine engine(options);
  ASSERT_TRUE(engine.Load(roots_.models / "tiny", cancel_).ok());
  engine::TrainingPlan plan;
  plan.texts = {"one", "two"};
  plan.learning_rate = 1;
  ASSERT_TRUE(engine.Train(plan, {}, cancel_).ok());
  const absl::Status status = Run(engine).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("checksum"));
}

}  // namespace
}  // namespace rwku::job
