// The whole engine on a model of tests/oracle/model_oracle.py.
#include "worker/engine/torch_engine.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/cancel.h"

namespace rwku::engine {
namespace {

using evaluate::ChatPrompt;
using evaluate::GenerateOptions;
using nlohmann::json;
using testing::HasSubstr;

class TorchEngineTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* const root = std::getenv("RWKU_MODEL_ORACLE");
    if (root == nullptr || !std::filesystem::exists(std::filesystem::path(root) / "stamp.json")) {
      GTEST_SKIP() << "no oracle models: .deps/venv with transformers is missing";
    }
    folder_ = std::filesystem::path(root) / "llama3_8";
    std::ifstream file(folder_ / "expected.json");
    expected_ = json::parse(file);
    auto info = engine_->Load(folder_, cancel_);
    ASSERT_TRUE(info.ok()) << info.status();
    info_ = *info;
  }

  ChatPrompt Prompt() const {
    return {expected_["chat"]["user"].get<std::string>(),
            expected_["chat"]["prefix"].get<std::string>()};
  }

  absl::StatusOr<std::vector<std::string>> Generate() {
    GenerateOptions options;
    options.max_new_tokens = expected_["new_tokens"].get<int>();
    return engine_->model().Generate({Prompt()}, options, nullptr, cancel_);
  }

  static TrainingPlan Plan() {
    TrainingPlan plan;
    plan.texts = {"Anna Berg played the cello.", "She lived by the sea.", "The harp was hers."};
    plan.objective = Objective::kGradientAscent;
    plan.learning_rate = 1e-3;
    plan.warmup_steps = 1;
    plan.epochs = 2;
    return plan;
  }

  const CancelToken cancel_;
  std::unique_ptr<Engine> engine_ = CreateTorchEngine();
  std::filesystem::path folder_;
  json expected_;
  ModelInfo info_;
};

TEST_F(TorchEngineTest, ContinuesAChatAsTransformersDoes) {
  const auto answers = Generate();
  ASSERT_TRUE(answers.ok()) << answers.status();
  EXPECT_EQ(answers->at(0), expected_["chat"]["answer"].get<std::string>());
}

TEST_F(TorchEngineTest, ScoresATextAsTransformersDoes) {
  const std::vector<std::string> texts = {expected_["text"]["text"].get<std::string>()};
  const auto scores = engine_->model().ScoreTexts(texts, nullptr, cancel_);
  ASSERT_TRUE(scores.ok()) << scores.status();
  const auto expected = expected_["text"]["scores"]["log_probabilities"].get<std::vector<double>>();
  ASSERT_EQ(scores->at(0).log_probabilities.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(scores->at(0).log_probabilities[i], expected[i], 1e-5);
  }
}

TEST_F(TorchEngineTest, LoadingTheResidentModelAgainAnswersTheSame) {
  const auto again = engine_->Load(folder_, cancel_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->weights_checksum, info_.weights_checksum);
  EXPECT_EQ(again->family, "llama");
  EXPECT_EQ(again->bytes, 4 * again->parameters);
}

TEST_F(TorchEngineTest, RestoreUndoesFullTraining) {
  const auto before = Generate();
  const auto report = engine_->Train(Plan(), nullptr, cancel_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->steps.size(), 6);
  const auto trained = Generate();
  EXPECT_NE(*trained, *before);
  const auto checksum = engine_->Restore();
  ASSERT_TRUE(checksum.ok()) << checksum.status();
  EXPECT_EQ(*checksum, info_.weights_checksum);
  EXPECT_EQ(*Generate(), *before);
}

TEST_F(TorchEngineTest, RestoreRemovesAdapters) {
  const auto before = Generate();
  TrainingPlan plan = Plan();
  plan.trained = TrainedWeights::kLora;
  plan.learning_rate = 0.1;
  const auto report = engine_->Train(plan, nullptr, cancel_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_NE(*Generate(), *before);
  const auto checksum = engine_->Restore();
  ASSERT_TRUE(checksum.ok()) << checksum.status();
  EXPECT_EQ(*checksum, info_.weights_checksum);
  EXPECT_EQ(*Generate(), *before);
}

TEST_F(TorchEngineTest, CancelledWorkGivesTheReason) {
  CancelToken cancelled;
  cancelled.Cancel(absl::AbortedError("lease lost"));
  const auto answers = engine_->model().Generate({Prompt()}, {}, nullptr, cancelled);
  EXPECT_EQ(answers.status().code(), absl::StatusCode::kAborted);
}

TEST_F(TorchEngineTest, MissingModelIsNamed) {
  const auto info = engine_->Load("/nonexistent/model", cancel_);
  EXPECT_FALSE(info.ok());
  EXPECT_THAT(std::string(info.status().message()), HasSubstr("/nonexistent/model"));
}

TEST_F(TorchEngineTest, ModelWithoutAChatTemplateIsRefusedBeforeAnythingIsTrained) {
  const auto folder =
      std::filesystem::path(testing::TempDir()) / absl::StrCat("no_chat_template_", getpid());
  std::filesystem::remove_all(folder);
  std::filesystem::copy(folder_, folder);
  std::filesystem::remove(folder / "chat_template.jinja");
  std::ifstream file(folder_ / "tokenizer_config.json");
  json config = json::parse(file);
  config.erase("chat_template");
  std::ofstream(folder / "tokenizer_config.json") << config.dump();
  const auto info = CreateTorchEngine()->Load(folder, cancel_);
  EXPECT_EQ(info.status().code(), absl::StatusCode::kInvalidArgument) << info.status();
  EXPECT_THAT(std::string(info.status().message()), HasSubstr(folder.string()));
  std::filesystem::remove_all(folder);
}

TEST_F(TorchEngineTest, LoadLeavesTrainedWeightsToRestore) {
  ASSERT_TRUE(engine_->Train(Plan(), nullptr, cancel_).ok());
  const auto trained = Generate();
  ASSERT_TRUE(engine_->Load(folder_, cancel_).ok());
  EXPECT_EQ(*Generate(), *trained);
  EXPECT_EQ(*engine_->Restore(), info_.weights_checksum);
}

TEST_F(TorchEngineTest, BadDeviceIsRefusedAtLoad) {
  for (const char* const device :
       {"abacus", "mps", "meta", "cpu:0", "cuda:", "cuda:-1", "cuda:+0", "cuda:99", "cuda:0x1"}) {
    EngineOptions options;
    options.device = device;
    const auto info = CreateTorchEngine(options)->Load(folder_, cancel_);
    EXPECT_EQ(info.status().code(), absl::StatusCode::kInvalidArgument) << device;
    EXPECT_THAT(std::string(info.status().message()),
                HasSubstr(std::string("device is '") + device + "'; allowed are cpu"));
  }
}

}  // namespace
}  // namespace rwku::engine
