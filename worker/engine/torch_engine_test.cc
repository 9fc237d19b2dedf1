// The whole engine on a model of tests/oracle/model_oracle.py.
#include "worker/engine/torch_engine.h"

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/cancel.h"
#include "benchmark/evaluate/request_error.h"

namespace rwku::engine {
namespace {

using evaluate::ChatPrompt;
using evaluate::ContinuationRequest;
using evaluate::GenerateRequest;
using evaluate::NextTokenRequest;
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
    return engine_->model().Generate({{Prompt(), expected_["new_tokens"].get<int>()}}, {}, nullptr,
                                     cancel_);
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

// The calls on chat prompts that share a primer, on each of the models that has another tokenizer.
class TorchEngineCallsTest : public TorchEngineTest,
                             public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    TorchEngineTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    folder_ = folder_.parent_path() / GetParam();
    std::ifstream file(folder_ / "expected.json");
    calls_ = json::parse(file)["calls"];
    ASSERT_TRUE(engine_->Load(folder_, cancel_).ok());
    EngineOptions options;
    options.share_prefixes = false;
    without_sharing_ = CreateTorchEngine(options);
    ASSERT_TRUE(without_sharing_->Load(folder_, cancel_).ok());
  }

  static ChatPrompt PromptOf(const json& call) {
    return {call["user"].get<std::string>(), call["prefix"].get<std::string>(),
            call["separate"].get<bool>()};
  }

  // Both engines were asked the same.
  void ExpectShared() {
    const evaluate::Usage shared = engine_->model().usage();
    EXPECT_LT(shared.computed_prompt_tokens, shared.prompt_tokens / 2);
    const evaluate::Usage whole = without_sharing_->model().usage();
    EXPECT_EQ(whole.computed_prompt_tokens, whole.prompt_tokens);
    EXPECT_EQ(whole.prompt_tokens, shared.prompt_tokens);
  }

  json calls_;
  std::unique_ptr<Engine> without_sharing_;
};

TEST_P(TorchEngineCallsTest, GeneratesAsTransformersWithLimitsAndBothStopRules) {
  std::vector<GenerateRequest> requests;
  std::vector<std::string> expected;
  for (const json& call : calls_["cases"]) {
    requests.push_back(
        {PromptOf(call), call["limit"].get<int>(), call["stop_at_end_of_turn"].get<bool>()});
    expected.push_back(call["output"].get<std::string>());
  }
  const auto outputs = engine_->model().Generate(requests, {}, nullptr, cancel_);
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ(*outputs, expected);
  EXPECT_EQ(*without_sharing_->model().Generate(requests, {}, nullptr, cancel_), expected);
  ExpectShared();
}

TEST_P(TorchEngineCallsTest, ScoresContinuationsAsTransformers) {
  std::vector<ContinuationRequest> requests;
  for (const json& call : calls_["cases"]) {
    requests.push_back({PromptOf(call), calls_["continuations"].get<std::vector<std::string>>()});
  }
  const auto scores = engine_->model().ScoreContinuations(requests, {}, nullptr, cancel_);
  ASSERT_TRUE(scores.ok()) << scores.status();
  const auto whole = without_sharing_->model().ScoreContinuations(requests, {}, nullptr, cancel_);
  ASSERT_TRUE(whole.ok()) << whole.status();
  for (size_t i = 0; i < requests.size(); ++i) {
    for (size_t c = 0; c < requests[i].continuations.size(); ++c) {
      const json& expected = calls_["cases"][i]["continuations"][c];
      const evaluate::ContinuationScores& answer = (*scores)[i][c];
      ASSERT_EQ(answer.log_probabilities.size(), expected["log_probabilities"].size());
      double sum = 0;
      double expected_sum = 0;
      for (size_t t = 0; t < answer.log_probabilities.size(); ++t) {
        const auto log_probability = expected["log_probabilities"][t].get<double>();
        EXPECT_NEAR(answer.log_probabilities[t], log_probability, 1e-5);
        sum += answer.log_probabilities[t];
        expected_sum += log_probability;
      }
      EXPECT_NEAR(sum, expected_sum, 1e-4);
      EXPECT_EQ(answer.is_most_likely, expected["is_most_likely"].get<std::vector<bool>>());
      EXPECT_EQ(answer.log_probabilities, (*whole)[i][c].log_probabilities);
      EXPECT_EQ(answer.is_most_likely, (*whole)[i][c].is_most_likely);
    }
  }
  ExpectShared();
}

TEST_P(TorchEngineCallsTest, ScoresNextTokensAsTransformers) {
  std::vector<NextTokenRequest> requests;
  for (const json& call : calls_["cases"]) {
    requests.push_back({PromptOf(call), calls_["candidates"].get<std::vector<std::string>>()});
  }
  const auto scores = engine_->model().ScoreNextTokens(requests, {}, nullptr, cancel_);
  ASSERT_TRUE(scores.ok()) << scores.status();
  for (size_t i = 0; i < requests.size(); ++i) {
    const json& expected = calls_["cases"][i]["next"];
    ASSERT_EQ((*scores)[i].size(), expected.size());
    for (size_t c = 0; c < expected.size(); ++c) {
      EXPECT_NEAR((*scores)[i][c], expected[c].get<double>(), 1e-5);
    }
  }
  EXPECT_EQ(*without_sharing_->model().ScoreNextTokens(requests, {}, nullptr, cancel_), *scores);
  ExpectShared();
}

TEST_P(TorchEngineCallsTest, TextsThatShareABeginningScoreTheSameBitsWithoutSharing) {
  std::vector<std::string> texts;
  for (const json& call : calls_["cases"]) {
    texts.push_back(call["user"].get<std::string>());
  }
  texts.push_back("");
  const auto scores = engine_->model().ScoreTexts(texts, nullptr, cancel_);
  ASSERT_TRUE(scores.ok()) << scores.status();
  const auto whole = without_sharing_->model().ScoreTexts(texts, nullptr, cancel_);
  ASSERT_TRUE(whole.ok()) << whole.status();
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ((*scores)[i].log_probabilities, (*whole)[i].log_probabilities);
    EXPECT_EQ((*scores)[i].means, (*whole)[i].means);
    EXPECT_EQ((*scores)[i].variances, (*whole)[i].variances);
  }
  EXPECT_TRUE(scores->back().log_probabilities.empty());
  ExpectShared();
}

INSTANTIATE_TEST_SUITE_P(Models, TorchEngineCallsTest,
                         testing::Values("gqa_tied", "two_ends", "mistral_window", "phi3_short",
                                         "qwen2_window"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(TorchEngineTest, UsageStartsAnewWithAnotherModel) {
  ASSERT_TRUE(Generate().ok());
  EXPECT_GT(engine_->model().usage().prompt_tokens, 0);
  EXPECT_GT(engine_->model().usage().generated_tokens, 0);
  ASSERT_TRUE(engine_->Load(folder_, cancel_).ok());
  EXPECT_GT(engine_->model().usage().prompt_tokens, 0);
  ASSERT_TRUE(engine_->Load(folder_.parent_path() / "mha", cancel_).ok());
  EXPECT_EQ(engine_->model().usage().prompt_tokens, 0);
}

TEST_F(TorchEngineTest, SingleBosLeavesOneOfTheTwoOut) {
  ASSERT_TRUE(Generate().ok());
  const int64_t two = engine_->model().usage().prompt_tokens;
  ASSERT_TRUE(
      engine_->model().Generate({{Prompt(), 1}}, {.single_bos = true}, nullptr, cancel_).ok());
  EXPECT_EQ(engine_->model().usage().prompt_tokens, 2 * two - 1);
}

TEST_F(TorchEngineTest, BadRequestIsAnErrorWithItsNumber) {
  const absl::Status status =
      engine_->model().Generate({{Prompt(), 5}, {Prompt(), 0}}, {}, nullptr, cancel_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(evaluate::RequestOf(status), 1U);
  const absl::Status empty =
      engine_->model()
          .ScoreNextTokens({{Prompt(), {" A"}}, {Prompt(), {" A", ""}}}, {}, nullptr, cancel_)
          .status();
  EXPECT_EQ(empty.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(evaluate::RequestOf(empty), 1U);
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
  const auto report = engine_->Train(Plan(), {}, cancel_);
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
  const auto report = engine_->Train(plan, {}, cancel_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_NE(*Generate(), *before);
  const auto checksum = engine_->Restore();
  ASSERT_TRUE(checksum.ok()) << checksum.status();
  EXPECT_EQ(*checksum, info_.weights_checksum);
  EXPECT_EQ(*Generate(), *before);
}

// Steering, on models of every family.
class TorchEngineSteeringTest : public TorchEngineTest,
                                public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    TorchEngineTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    folder_ = folder_.parent_path() / GetParam();
    std::ifstream file(folder_ / "expected.json");
    steering_ = json::parse(file)["steering"];
    auto info = engine_->Load(folder_, cancel_);
    ASSERT_TRUE(info.ok()) << info.status();
    info_ = *info;
  }

  SteeringPlan SteeringOf() const {
    SteeringPlan plan;
    plan.novice = steering_["plan"]["novice"].get<std::string>();
    plan.expert = steering_["plan"]["expert"].get<std::string>();
    plan.strength = steering_["plan"]["strength"].get<double>();
    return plan;
  }

  std::string Answer() {
    const auto answers = engine_->model().Generate(
        {{{steering_["user"].get<std::string>(), ""}, 8}}, {}, nullptr, cancel_);
    EXPECT_TRUE(answers.ok()) << answers.status();
    return answers.ok() ? answers->at(0) : "";
  }

  json steering_;
};

TEST_P(TorchEngineSteeringTest, AnswersAndScoresEqualTransformersUntilRestore) {
  const std::string before = Answer();
  ASSERT_TRUE(engine_->Steer(SteeringOf(), cancel_).ok());
  EXPECT_EQ(Answer(), steering_["answer"].get<std::string>());
  const auto scores =
      engine_->model().ScoreTexts({steering_["text"].get<std::string>()}, nullptr, cancel_);
  ASSERT_TRUE(scores.ok()) << scores.status();
  const auto expected = steering_["text_scores"].get<std::vector<double>>();
  ASSERT_EQ(scores->at(0).log_probabilities.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(scores->at(0).log_probabilities[i], expected[i], 1e-5);
  }
  // A vector is made from the model as it is without steering.
  ASSERT_TRUE(engine_->Steer(SteeringOf(), cancel_).ok());
  EXPECT_EQ(Answer(), steering_["answer"].get<std::string>());
  EXPECT_EQ(*engine_->Restore(), info_.weights_checksum);
  EXPECT_EQ(Answer(), before);
}

INSTANTIATE_TEST_SUITE_P(Models, TorchEngineSteeringTest,
                         testing::Values("llama3_8", "mistral_window", "phi3_short",
                                         "qwen2_window"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(TorchEngineTest, BadSteeringIsRefusedByItsField) {
  const auto refused = [&](const std::function<void(SteeringPlan&)>& spoil) {
    SteeringPlan plan{"You know nothing.", "You know all.", 1, std::nullopt};
    spoil(plan);
    const absl::Status status = engine_->Steer(plan, cancel_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(refused([](SteeringPlan& plan) { plan.novice.clear(); }), HasSubstr("novice"));
  EXPECT_THAT(refused([](SteeringPlan& plan) { plan.expert.clear(); }), HasSubstr("expert"));
  EXPECT_THAT(refused([](SteeringPlan& plan) { plan.strength = NAN; }), HasSubstr("strength"));
  for (const LayerRange layers : {LayerRange{1, 3}, LayerRange{-1, 1}, LayerRange{1, 1}}) {
    EXPECT_THAT(refused([&](SteeringPlan& plan) { plan.layers = layers; }),
                HasSubstr("within 0-2"));
  }
}

TEST_F(TorchEngineTest, SteeringOfOneLayerIsNotThatOfAnother) {
  std::vector<std::vector<float>> scores;
  for (const int layer : {0, 1}) {
    SteeringPlan plan{"You know nothing.", "You know all.", 1.5, LayerRange{layer, layer + 1}};
    ASSERT_TRUE(engine_->Steer(plan, cancel_).ok());
    scores.push_back(
        engine_->model().ScoreTexts({"Anna Berg."}, nullptr, cancel_)->at(0).log_probabilities);
  }
  EXPECT_NE(scores[0], scores[1]);
}

TEST_F(TorchEngineTest, WhatATrainingMadeIsExportedAndLoadsAsTheSameModel) {
  const auto root = std::filesystem::path(testing::TempDir()) / absl::StrCat("exported_", getpid());
  std::filesystem::remove_all(root);
  ASSERT_TRUE(engine_->Train(Plan(), {}, cancel_).ok());
  const auto trained = Generate();
  const absl::Status exported = engine_->Export(root / "full", cancel_);
  ASSERT_TRUE(exported.ok()) << exported;
  EXPECT_EQ(engine_->Export(root / "full", cancel_).code(), absl::StatusCode::kAlreadyExists);
  ASSERT_TRUE(engine_->Restore().ok());
  TrainingPlan lora = Plan();
  lora.trained = TrainedWeights::kLora;
  ASSERT_TRUE(engine_->Train(lora, {}, cancel_).ok());
  ASSERT_TRUE(engine_->Export(root / "lora", cancel_).ok());
  EXPECT_TRUE(std::filesystem::exists(root / "lora/adapter_config.json"));
  ASSERT_TRUE(engine_->Steer({"You know nothing.", "You know all.", 1, {}}, cancel_).ok());
  EXPECT_EQ(engine_->Export(root / "steered", cancel_).code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(engine_->Load(root / "full", cancel_).ok());
  EXPECT_EQ(*Generate(), *trained);
  std::filesystem::remove_all(root);
}

TEST_F(TorchEngineTest, TheModelCanBeAskedAfterEveryEpochAndStopTheTraining) {
  TrainingPlan plan = Plan();
  plan.learning_rate = 1e-2;
  plan.epochs = 4;
  std::vector<std::vector<std::string>> answers = {*Generate()};
  const auto report =
      engine_->Train(plan,
                     {.on_step = nullptr,
                      .on_epoch = [&](int epoch) -> absl::StatusOr<EpochVerdict> {
                        answers.push_back(*Generate());
                        return epoch == 3 ? EpochVerdict::kStop : EpochVerdict::kContinue;
                      }},
                     cancel_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->epochs, 3);
  ASSERT_EQ(answers.size(), 4U);
  EXPECT_NE(answers[1], answers[0]);
  EXPECT_NE(answers[3], answers[1]);
  EXPECT_EQ(*Generate(), answers[3]);
}

TEST_F(TorchEngineTest, AnErrorOfACallbackEndsTheTrainingWithIt) {
  const auto report = engine_->Train(
      Plan(),
      {.on_step = nullptr,
       .on_epoch = [](int) -> absl::StatusOr<EpochVerdict> { return absl::DataLossError("bad"); }},
      cancel_);
  EXPECT_EQ(report.status(), absl::DataLossError("bad"));
}

// What is known of the original model: over methods, over trainings without a restore between, and
// over engines with the same folder.
TEST_F(TorchEngineTest, TheOriginalIsAskedOnceForEachText) {
  const auto folder =
      std::filesystem::path(testing::TempDir()) / absl::StrCat("reference_cache_", getpid());
  std::filesystem::remove_all(folder);
  EngineOptions options;
  options.cache_folder = folder;
  TrainingPlan npo = Plan();
  npo.objective = Objective::kNpo;
  npo.beta = 0.1;
  TrainingPlan dpo = Plan();
  dpo.texts.clear();
  dpo.pairs = {{"Who?", "Anna.", "Bert."}, {"Who?", "Anna.", "Carl."}};
  dpo.objective = Objective::kDpo;
  dpo.beta = 0.1;
  TrainingReport without;
  TrainingReport dpo_without;
  {
    const auto engine = CreateTorchEngine();
    ASSERT_TRUE(engine->Load(folder_, cancel_).ok());
    without = *engine->Train(npo, {}, cancel_);
    dpo_without = *engine->Train(dpo, {}, cancel_);
    EXPECT_EQ(without.reference_texts_computed, 3);
    EXPECT_EQ(dpo_without.reference_texts_computed + dpo_without.reference_texts_cached, 4);
  }
  for (const bool is_first : {true, false}) {
    const auto engine = CreateTorchEngine(options);
    ASSERT_TRUE(engine->Load(folder_, cancel_).ok());
    const TrainingReport report = *engine->Train(npo, {}, cancel_);
    EXPECT_EQ(report.reference_texts_computed, is_first ? 3 : 0);
    EXPECT_EQ(report.reference_texts_cached, is_first ? 0 : 3);
    // Without a restore: the reference is still the model as it was loaded.
    const TrainingReport next = *engine->Train(dpo, {}, cancel_);
    EXPECT_EQ(next.reference_texts_computed, is_first ? dpo_without.reference_texts_computed : 0);
    for (size_t i = 0; i < report.steps.size(); ++i) {
      EXPECT_EQ(report.steps[i].loss, without.steps[i].loss);
    }
    for (size_t i = 0; i < next.steps.size(); ++i) {
      EXPECT_EQ(next.steps[i].loss, dpo_without.steps[i].loss);
    }
    EXPECT_EQ(*engine->Restore(), info_.weights_checksum);
  }
  std::filesystem::remove_all(folder);
}

TEST_F(TorchEngineTest, CancelledWorkGivesTheReason) {
  CancelToken cancelled;
  cancelled.Cancel(absl::AbortedError("lease lost"));
  const auto answers = engine_->model().Generate({{Prompt()}}, {}, nullptr, cancelled);
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
  ASSERT_TRUE(engine_->Train(Plan(), {}, cancel_).ok());
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

TEST_F(TorchEngineTest, SampledTextFollowsItsPromptAtNearlyNoTemperature) {
  // So cold that the likeliest token always comes: what Generate says, a leading space included.
  const evaluate::SampleRequest request{.prompt = Prompt(),
                                        .max_new_tokens = expected_["new_tokens"].get<int>(),
                                        .temperature = 1e-6,
                                        .stream = "cold"};
  const auto sampled = engine_->model().Sample({request}, {}, nullptr, cancel_);
  ASSERT_TRUE(sampled.ok()) << sampled.status();
  EXPECT_EQ(*sampled, Generate().value());
}

TEST_F(TorchEngineTest, SamplingIsTheSameAtEveryBatch) {
  std::vector<evaluate::SampleRequest> requests;
  for (int i = 0; i < 40; ++i) {
    requests.push_back({.prompt = Prompt(),
                        .max_new_tokens = 5 + i % 7,
                        .top_p = 0.9,
                        .stream = absl::StrCat("positive/", i)});
    requests.back().prompt.assistant_prefix = absl::StrCat("Opener ", i % 5);
  }
  std::vector<std::vector<std::string>> outputs;
  for (const int batch : {1, 16, 64}) {
    EngineOptions options;
    options.decode_batch = batch;
    const std::unique_ptr<Engine> engine = CreateTorchEngine(options);
    ASSERT_TRUE(engine->Load(folder_, cancel_).ok());
    const auto sampled = engine->model().Sample(requests, {}, nullptr, cancel_);
    ASSERT_TRUE(sampled.ok()) << sampled.status();
    outputs.push_back(*sampled);
  }
  EXPECT_EQ(outputs[1], outputs[0]);
  EXPECT_EQ(outputs[2], outputs[0]);
}

TEST_F(TorchEngineTest, TemplateWithoutASystemTurnIsNamed) {
  const std::filesystem::path copy =
      std::filesystem::path(testing::TempDir()) / absl::StrCat("no_system_turn.", getpid());
  const auto refusal = [&](const std::string& chat_template) {
    std::filesystem::remove_all(copy);
    std::filesystem::copy(folder_, copy);
    std::filesystem::remove(copy / "chat_template.jinja");
    json config = json::parse(std::ifstream(copy / "tokenizer_config.json"));
    config["chat_template"] = chat_template;
    std::ofstream(copy / "tokenizer_config.json") << config;
    EXPECT_TRUE(engine_->Load(copy, cancel_).ok());
    evaluate::SampleRequest request{.prompt = Prompt(), .max_new_tokens = 2, .stream = ""};
    EXPECT_TRUE(engine_->model().Sample({request}, {}, nullptr, cancel_).ok());
    request.prompt.system = "You know the sea very well.";
    return engine_->model().Sample({request}, {}, nullptr, cancel_).status();
  };
  const absl::Status refused = refusal(
      "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
      "{% endif %}{% for m in messages %}{{ m['content'] }}{% endfor %}");
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("does not take a system turn"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("tokenizer_config.json"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("System role not supported"));
  const absl::Status dropped = refusal(
      "{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }}{% endif %}{% endfor "
      "%}");
  EXPECT_EQ(dropped.code(), absl::StatusCode::kInvalidArgument) << dropped;
  EXPECT_THAT(std::string(dropped.message()), HasSubstr("leaves the system turn out"));
  std::filesystem::remove_all(copy);
}

}  // namespace
}  // namespace rwku::engine
