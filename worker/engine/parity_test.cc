// Agreement with HF transformers on the models of tests/oracle/model_oracle.py, which a CTest
// fixture runs into the folder RWKU_MODEL_ORACLE: the same suite for every runner.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <optional>
#include <tuple>

#include "absl/strings/str_cat.h"
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "benchmark/evaluate/request_error.h"
#include "text/tokenizer.h"
#include "worker/engine/decode/generate.h"
#include "worker/engine/decode/host_runner.h"
#include "worker/engine/decode/tiny_model_fixture.h"
#include "worker/engine/decode/torch_runner.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/model/rope.h"
#include "worker/engine/model/safetensors.h"
#include "worker/engine/score/score.h"
#include "worker/engine/steering.h"

namespace rwku::engine {
namespace {

using nlohmann::json;
using Sequences = std::vector<std::vector<int32_t>>;

constexpr double kLogitTolerance = 1e-5;
constexpr int kLogitPrompts = 8;  // whose logits the oracle wrote
constexpr int kSteeredPrompts = 4;
// The variance is a difference of two sums over the vocabulary, each up to some hundred.
constexpr double kVarianceTolerance = 1e-4;

// Keys and values of all runners.
constexpr int64_t kCacheBytes = int64_t{64} << 20;

const CacheOptions kCaches = {.bytes = kCacheBytes};
const CacheOptions kWithoutSharing = {.bytes = kCacheBytes, .share_prefixes = false};

DecodeOptions DecodeOptionsOf(int batch) { return {.max_batch = batch, .caches = kCaches}; }

enum class RunnerKind { kHost, kTorch };

std::string NameOf(RunnerKind kind) { return kind == RunnerKind::kHost ? "host" : "torch"; }

class ParityTest : public testing::TestWithParam<std::tuple<const char*, RunnerKind>> {
 protected:
  // The dtype of the model that SetUp loads.
  virtual at::ScalarType dtype() const { return at::kFloat; }

  void SetUp() override {
    const char* const root = std::getenv("RWKU_MODEL_ORACLE");
    if (root == nullptr || !std::filesystem::exists(std::filesystem::path(root) / "stamp.json")) {
      GTEST_SKIP() << "no oracle models: .deps/venv with transformers is missing";
    }
    folder_ = std::filesystem::path(root) / std::get<0>(GetParam());
    auto model = LoadCausalLm(folder_, at::kCPU, dtype());
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    std::ifstream file(folder_ / "expected.json");
    expected_ = json::parse(file);
    prompts_ = expected_["prompts"].get<Sequences>();
  }

  std::unique_ptr<Runner> MakeRunner(LayerVectors steering = {}) const {
    if (std::get<1>(GetParam()) == RunnerKind::kHost) {
      return std::make_unique<HostRunner>(*model_, std::move(steering));
    }
    return std::make_unique<TorchRunner>(*model_, std::move(steering), kCacheBytes);
  }

  // Of some prompts only, where the oracle left out those whose answers would change the factors of
  // longrope on their way.
  static void Filter(const json& generated, std::vector<DecodeRequest>& requests,
                     Sequences& expected) {
    std::vector<DecodeRequest> kept;
    for (size_t i = 0; i < generated.size(); ++i) {
      if (!generated[i].is_null()) {
        kept.push_back(requests[i]);
        expected.push_back(generated[i].get<std::vector<int32_t>>());
      }
    }
    requests = std::move(kept);
  }

  // Whether sequences of the oracle take both the short and the long factors.
  bool HasTwoRopes() const {
    return UsesLongRope(model_->config(), static_cast<int64_t>(prompts_[0].size() + 1000)) &&
           model_->config().rope_scaling.original_max_position_embeddings < 90;
  }

  // The logits of some prompts under the names `name`.0, `name`.1, ...
  void ExpectRunnerLogits(Runner& runner, const std::string& name, int count) {
    auto expected = SafetensorsFile::Open(folder_ / "expected.safetensors");
    ASSERT_TRUE(expected.ok()) << expected.status();
    double largest_of_all = 0;
    for (int i = 0; i < count; ++i) {
      const std::vector<float> logits = LogitsOf(runner, prompts_[i], 0);
      const at::Tensor reference = *expected->Get(absl::StrCat(name, ".", i));
      ASSERT_EQ(static_cast<int64_t>(logits.size()), reference.numel());
      double largest = 0;
      for (size_t j = 0; j < logits.size(); ++j) {
        largest = std::max(
            largest,
            static_cast<double>(std::abs(logits[j] - reference.const_data_ptr<float>()[j])));
      }
      EXPECT_LE(largest, kLogitTolerance) << name << " " << i;
      largest_of_all = std::max(largest_of_all, largest);
    }
    RecordProperty("largest_difference", absl::StrCat(largest_of_all));
  }

  Sequences Generate(const std::vector<DecodeRequest>& requests, const DecodeOptions& options) {
    const auto runner = MakeRunner();
    const auto generated = GenerateTokens(*runner, requests, options, nullptr, cancel_, usage_);
    EXPECT_TRUE(generated.ok()) << generated.status();
    return generated.value_or(Sequences{});
  }

  std::vector<std::vector<TokenScore>> Score(const std::vector<ScoreQuery>& queries,
                                             const CacheOptions& options) {
    const auto runner = MakeRunner();
    auto scores = ScoreTokens(*runner, queries, queries.size(), options, nullptr, cancel_, usage_);
    EXPECT_TRUE(scores.ok()) << scores.status();
    return scores.ok() ? *std::move(scores) : std::vector<std::vector<TokenScore>>(queries.size());
  }

  // The prompts as texts, every token scored but the first.
  std::vector<ScoreQuery> Texts() const {
    std::vector<ScoreQuery> queries;
    for (size_t i = 0; i < prompts_.size(); ++i) {
      queries.push_back({prompts_[i], 1, {}, i});
    }
    return queries;
  }

  const CancelToken cancel_;
  evaluate::Usage usage_;
  std::filesystem::path folder_;
  std::unique_ptr<CausalLm> model_;
  json expected_;
  Sequences prompts_;
};

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST_P(ParityTest, PackedLogitsEqualTransformers) {
  const at::AutoGradMode no_grad(false);
  auto expected = SafetensorsFile::Open(folder_ / "expected.safetensors");
  ASSERT_TRUE(expected.ok()) << expected.status();
  const PackedSequences packed =
      MakePacked(absl::MakeConstSpan(prompts_).first(kLogitPrompts), at::kCPU);
  const at::Tensor logits = model_->Logits(model_->Hidden(packed));
  double largest = 0;
  for (int i = 0; i < kLogitPrompts; ++i) {
    const at::Tensor part =
        logits.narrow(0, packed.offsets[i], packed.offsets[i + 1] - packed.offsets[i]);
    const double difference = LargestDifference(part, *expected->Get(absl::StrCat("logits.", i)));
    EXPECT_LE(difference, kLogitTolerance) << "prompt " << i;
    largest = std::max(largest, difference);
  }
  RecordProperty("largest_difference", absl::StrCat(largest));
}

TEST_P(ParityTest, LogitsEqualTransformers) {
  ExpectRunnerLogits(*MakeRunner(), "logits", kLogitPrompts);
}

TEST_P(ParityTest, GreedyTokensEqualTransformersAtEveryBatchSize) {
  std::vector<DecodeRequest> requests;
  for (const std::vector<int32_t>& prompt : prompts_) {
    requests.push_back({prompt, expected_["new_tokens"].get<int>(), {4}});
  }
  Sequences expected;
  Filter(expected_["generated"], requests, expected);
  for (const int batch : {64, 5, 1}) {
    EXPECT_EQ(Generate(requests, DecodeOptionsOf(batch)), expected) << "batch " << batch;
  }
}

TEST_P(ParityTest, GreedyTokensOfSharedPrefixesEqualTransformers) {
  const json& shared = expected_["shared"];
  const auto prompts = shared["prompts"].get<Sequences>();
  const auto end_ids = shared["end_ids"].get<Sequences>();
  std::vector<DecodeRequest> requests;
  for (size_t i = 0; i < prompts.size(); ++i) {
    requests.push_back({prompts[i], shared["limits"][i].get<int>(), end_ids[i]});
  }
  const auto expected = shared["generated"].get<Sequences>();
  EXPECT_EQ(Generate(requests, {.caches = kWithoutSharing}), expected);
  usage_ = {};
  for (const int batch : {64, 4}) {
    EXPECT_EQ(Generate(requests, DecodeOptionsOf(batch)), expected) << "batch " << batch;
  }
  if (!HasTwoRopes()) {  // long sequences share nothing
    EXPECT_LT(usage_.computed_prompt_tokens, usage_.prompt_tokens / 3);
  }
}

void ExpectNear(const std::vector<TokenScore>& scores, float TokenScore::*member,
                const json& expected, double tolerance) {
  ASSERT_EQ(scores.size(), expected.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    EXPECT_NEAR(scores[i].*member, expected[i].get<double>(), tolerance) << "token " << i;
  }
}

TEST_P(ParityTest, TokenScoresEqualTransformers) {
  const auto scores = Score(Texts(), kCaches);
  for (size_t i = 0; i < scores.size(); ++i) {
    const json& expected = expected_["scores"][i];
    ExpectNear(scores[i], &TokenScore::log_probability, expected["log_probabilities"],
               kLogitTolerance);
    ExpectNear(scores[i], &TokenScore::mean, expected["means"], kLogitTolerance);
    ExpectNear(scores[i], &TokenScore::variance, expected["variances"], kVarianceTolerance);
  }
}

// Torch's products choose their order of additions by shape: this is the host's alone.
using BitParityTest = ParityTest;

TEST_P(BitParityTest, ScoresOfATextAreTheSameBitsAloneAndAmongOthers) {
  const std::vector<ScoreQuery> texts = Texts();
  const auto together = Score(texts, kCaches);
  for (size_t i = 0; i < texts.size(); ++i) {
    ScoreQuery alone = texts[i];
    alone.request = 0;
    EXPECT_EQ(Score({alone}, kCaches).front(), together[i]);
  }
}

TEST_P(ParityTest, ScoresAfterSharedPrefixesEqualTransformersAndAreTheSameWithoutSharing) {
  const json& shared = expected_["shared"];
  const auto scored = shared["scored"].get<Sequences>();
  std::vector<ScoreQuery> queries;
  std::vector<int32_t> candidates(shared["next"][0].size());
  std::iota(candidates.begin(), candidates.end(), 0);
  for (size_t i = 0; i < scored.size(); ++i) {
    queries.push_back({scored[i], shared["first"][i].get<size_t>(), candidates, i});
  }
  const auto scores = Score(queries, kCaches);
  if (!HasTwoRopes()) {
    EXPECT_LT(usage_.computed_prompt_tokens, usage_.prompt_tokens / 3);
  }
  const auto whole = Score(queries, kWithoutSharing);
  if (std::get<1>(GetParam()) == RunnerKind::kHost) {
    EXPECT_EQ(whole, scores);
  }
  for (size_t i = 0; i < scores.size(); ++i) {
    ASSERT_EQ(whole[i].size(), scores[i].size());
    for (size_t t = 0; t < scores[i].size(); ++t) {
      EXPECT_NEAR(whole[i][t].log_probability, scores[i][t].log_probability, kLogitTolerance);
    }
  }
  for (size_t i = 0; i < scores.size(); ++i) {
    const json& expected = shared["scores"][i];
    const auto count = static_cast<ptrdiff_t>(expected["log_probabilities"].size());
    const std::vector<TokenScore> tokens(scores[i].begin(), scores[i].begin() + count);
    const std::vector<TokenScore> next(scores[i].begin() + count, scores[i].end());
    ExpectNear(tokens, &TokenScore::log_probability, expected["log_probabilities"],
               kLogitTolerance);
    ExpectNear(next, &TokenScore::log_probability, shared["next"][i], kLogitTolerance);
    for (size_t t = 0; t < tokens.size(); ++t) {
      EXPECT_EQ(tokens[t].is_most_likely, expected["is_most_likely"][t].get<bool>());
    }
  }
}

TEST_P(ParityTest, SteeredLogitsScoresAndGreedyTokensEqualForwardHooksOfTransformers) {
  const json& steering = expected_["steering"];
  const auto tokenizer = text::Tokenizer::Load(folder_);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  SteeringPlan plan;
  plan.novice = steering["plan"]["novice"].get<std::string>();
  plan.expert = steering["plan"]["expert"].get<std::string>();
  plan.strength = steering["plan"]["strength"].get<double>();
  const auto vectors = SteeringVectors(*model_, **tokenizer, plan, cancel_);
  ASSERT_TRUE(vectors.ok()) << vectors.status();
  const auto runner = MakeRunner(*vectors);
  ExpectRunnerLogits(*runner, "steered", kSteeredPrompts);
  std::vector<DecodeRequest> requests;
  std::vector<ScoreQuery> queries;
  for (size_t i = 0; i < steering["generated"].size(); ++i) {
    requests.push_back({prompts_[i], expected_["new_tokens"].get<int>(), {4}});
    queries.push_back({prompts_[i], 1, {}, i});
  }
  Sequences expected;
  Filter(steering["generated"], requests, expected);
  const auto generated =
      GenerateTokens(*runner, requests, DecodeOptionsOf(64), nullptr, cancel_, usage_);
  ASSERT_TRUE(generated.ok()) << generated.status();
  EXPECT_EQ(*generated, expected);
  const auto scores =
      ScoreTokens(*runner, queries, queries.size(), kCaches, nullptr, cancel_, usage_);
  ASSERT_TRUE(scores.ok()) << scores.status();
  for (size_t i = 0; i < scores->size(); ++i) {
    ExpectNear((*scores)[i], &TokenScore::log_probability, steering["scores"][i], kLogitTolerance);
  }
}

TEST_P(BitParityTest, SavedModelIsTheSameModel) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) /
      absl::StrCat("rwku_saved_", getpid(), "_", std::get<0>(GetParam()));
  std::filesystem::create_directories(folder);
  ASSERT_TRUE(SaveCausalLm(*model_, folder).ok());
  const auto again = LoadCausalLm(folder, at::kCPU);
  ASSERT_TRUE(again.ok()) << again.status();
  const auto before = model_->NamedParameters();
  const auto after = (*again)->NamedParameters();
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(before[i].second.equal(after[i].second)) << before[i].first;
  }
  std::filesystem::remove_all(folder);
}

constexpr std::array kModels = {
    "mha",         "gqa_tied",       "mqa_odd",        "head_dim",   "llama3_8",
    "llama3_32",   "linear",         "sharded",        "bfloat16",   "two_ends",
    "mistral",     "mistral_window", "mistral_narrow", "phi3",       "phi3_window",
    "phi3_short",  "phi3_long",      "qwen2",          "qwen2_tied", "qwen2_window",
    "qwen2_layers"};

std::string NameOfCase(const testing::TestParamInfo<ParityTest::ParamType>& info) {
  return absl::StrCat(std::get<0>(info.param), "_", NameOf(std::get<1>(info.param)));
}

INSTANTIATE_TEST_SUITE_P(Models, ParityTest,
                         testing::Combine(testing::ValuesIn(kModels),
                                          testing::Values(RunnerKind::kHost, RunnerKind::kTorch)),
                         NameOfCase);
INSTANTIATE_TEST_SUITE_P(Models, BitParityTest,
                         testing::Combine(testing::ValuesIn(kModels),
                                          testing::Values(RunnerKind::kHost)),
                         NameOfCase);

// The torch runner in bfloat16 beside transformers in bfloat16. Both round at the same places, but
// their products add up in other orders, so that a number may be off by a rounding or two.
class Bfloat16ParityTest : public ParityTest {
 protected:
  at::ScalarType dtype() const override { return at::kBFloat16; }

  void SetUp() override {
    ParityTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    auto tensors = SafetensorsFile::Open(folder_ / "expected_bfloat16.safetensors");
    ASSERT_TRUE(tensors.ok()) << tensors.status();
    tensors_ = *std::move(tensors);
    std::ifstream file(folder_ / "expected_bfloat16.json");
    generated_ = json::parse(file)["generated"];
  }

  at::Tensor Expected(const std::string& name) const { return *tensors_->Get(name); }

  std::optional<SafetensorsFile> tensors_;
  json generated_;
};

// As a part of the largest logit.
constexpr double kBfloat16Tolerance = 0.02;

TEST_P(Bfloat16ParityTest, LogitsEqualTransformersUpToAFewRoundings) {
  const auto runner = MakeRunner();
  double worst = 0;
  for (size_t i = 0; i < generated_.size(); ++i) {
    const at::Tensor expected = Expected(absl::StrCat("logits.", i));
    const std::vector<float> logits = LogitsOf(*runner, prompts_[i], 0);
    const double largest = expected.abs().max().item<double>();
    const double difference =
        LargestDifference(at::tensor(logits, at::kFloat).view_as(expected), expected);
    EXPECT_LE(difference, kBfloat16Tolerance * largest) << "prompt " << i;
    worst = std::max(worst, difference / largest);
  }
  RecordProperty("largest_difference", absl::StrCat(worst));
}

// Two continuations are one until the first choice between tokens that are as good as equal.
TEST_P(Bfloat16ParityTest, GreedyTokensEqualTransformersUpToNearTies) {
  std::vector<DecodeRequest> requests;
  Sequences expected;
  std::vector<size_t> numbers;
  for (size_t i = 0; i < generated_.size(); ++i) {
    if (!generated_[i].is_null()) {
      requests.push_back({prompts_[i], expected_["new_tokens"].get<int>(), {4}});
      expected.push_back(generated_[i].get<std::vector<int32_t>>());
      numbers.push_back(i);
    }
  }
  const Sequences found = Generate(requests, DecodeOptionsOf(64));
  ASSERT_EQ(found.size(), expected.size());
  size_t equal = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const auto [at, other] =
        std::mismatch(expected[i].begin(), expected[i].end(), found[i].begin(), found[i].end());
    if (at == expected[i].end()) {
      ++equal;
      continue;
    }
    ASSERT_NE(other, found[i].end());
    const at::Tensor choice =
        Expected(absl::StrCat("choices.", numbers[i]))[std::distance(expected[i].begin(), at)];
    const double margin = (choice[*at] - choice[*other]).item<double>();
    EXPECT_LE(margin, 2 * kBfloat16Tolerance * choice.abs().max().item<double>())
        << "prompt " << numbers[i] << ", token " << std::distance(expected[i].begin(), at);
  }
  RecordProperty("equal", absl::StrCat(equal, " of ", found.size()));
}

INSTANTIATE_TEST_SUITE_P(Models, Bfloat16ParityTest,
                         testing::Combine(testing::ValuesIn(kModels),
                                          testing::Values(RunnerKind::kTorch)),
                         NameOfCase);

using LongRopeTest = ParityTest;

TEST_P(LongRopeTest, ATextOneTokenBeyondTheOriginalLengthTakesTheLongFactorsFromItsStart) {
  const auto original =
      static_cast<size_t>(model_->config().rope_scaling.original_max_position_embeddings);
  std::vector<int32_t> text;
  while (text.size() < original + 1) {
    text.push_back(static_cast<int32_t>(5 + 7 * text.size() % 200));
  }
  const std::vector<TokenScore> whole = Score({{text, 1, {}, 0}}, kCaches).front();
  ScoreQuery query{text, 1, {text.back()}, 0, text.size()};
  query.context.pop_back();
  const auto largest_difference = [&] {
    const std::vector<TokenScore> scores = Score({query}, kCaches).front();
    float largest = 0;
    for (size_t t = 0; t < whole.size(); ++t) {
      largest = std::max(largest, std::abs(scores[t].log_probability - whole[t].log_probability));
    }
    return largest;
  };
  EXPECT_LE(largest_difference(), kLogitTolerance);
  query.length = 0;
  EXPECT_GT(largest_difference(), 100 * kLogitTolerance);
}

TEST_P(LongRopeTest, AnAnswerThatWouldChangeTheFactorsIsRefused) {
  const auto original =
      static_cast<size_t>(model_->config().rope_scaling.original_max_position_embeddings);
  const std::vector<int32_t> prompt(original - 3, 7);
  const auto runner = MakeRunner();
  const auto generate = [&](int tokens) {
    return GenerateTokens(*runner, {{prompt, 1}, {prompt, tokens}}, DecodeOptionsOf(64), nullptr,
                          cancel_, usage_);
  };
  EXPECT_TRUE(generate(4).ok());
  const absl::Status status = generate(5).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(evaluate::RequestOf(status), 1U);
  EXPECT_THAT(std::string(status.message()),
              testing::HasSubstr("original_max_position_embeddings"));
}

INSTANTIATE_TEST_SUITE_P(Models, LongRopeTest,
                         testing::Combine(testing::Values("phi3_long"),
                                          testing::Values(RunnerKind::kHost, RunnerKind::kTorch)),
                         NameOfCase);

}  // namespace
}  // namespace rwku::engine
