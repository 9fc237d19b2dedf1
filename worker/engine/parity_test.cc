// Agreement with HF transformers on the models of tests/oracle/model_oracle.py, which a CTest
// fixture runs into the folder RWKU_MODEL_ORACLE.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "absl/strings/str_cat.h"
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "benchmark/evaluate/request_error.h"
#include "text/tokenizer.h"
#include "worker/engine/decode/greedy.h"
#include "worker/engine/decode/host_runner.h"
#include "worker/engine/decode/tiny_model_fixture.h"
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

class ParityTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const char* const root = std::getenv("RWKU_MODEL_ORACLE");
    if (root == nullptr || !std::filesystem::exists(std::filesystem::path(root) / "stamp.json")) {
      GTEST_SKIP() << "no oracle models: .deps/venv with transformers is missing";
    }
    folder_ = std::filesystem::path(root) / GetParam();
    auto model = LoadCausalLm(folder_, at::kCPU);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    std::ifstream file(folder_ / "expected.json");
    expected_ = json::parse(file);
    prompts_ = expected_["prompts"].get<Sequences>();
  }

  // Of some prompts only, where the oracle left out those whose answers would change the factors of
  // longrope on their way.
  static void Filter(const json& generated, std::vector<GreedyRequest>& requests,
                     Sequences& expected) {
    std::vector<GreedyRequest> kept;
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
  void ExpectKernelLogits(Runner& runner, const std::string& name, int count) {
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

  Sequences Generate(const std::vector<GreedyRequest>& requests, const GreedyOptions& options) {
    HostRunner runner(*model_);
    const auto generated = GenerateGreedy(runner, requests, options, nullptr, cancel_, usage_);
    EXPECT_TRUE(generated.ok()) << generated.status();
    return generated.value_or(Sequences{});
  }

  std::vector<std::vector<TokenScore>> Score(const std::vector<ScoreQuery>& queries,
                                             const CacheOptions& options) {
    HostRunner runner(*model_);
    auto scores = ScoreTokens(runner, queries, queries.size(), options, nullptr, cancel_, usage_);
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

TEST_P(ParityTest, KernelLogitsEqualTransformers) {
  HostRunner runner(*model_);
  ExpectKernelLogits(runner, "logits", kLogitPrompts);
}

TEST_P(ParityTest, GreedyTokensEqualTransformersAtEveryBatchSize) {
  std::vector<GreedyRequest> requests;
  for (const std::vector<int32_t>& prompt : prompts_) {
    requests.push_back({prompt, expected_["new_tokens"].get<int>(), {4}});
  }
  Sequences expected;
  Filter(expected_["generated"], requests, expected);
  for (const int batch : {64, 5, 1}) {
    EXPECT_EQ(Generate(requests, {.max_batch = batch}), expected) << "batch " << batch;
  }
}

TEST_P(ParityTest, GreedyTokensOfSharedPrefixesEqualTransformers) {
  const json& shared = expected_["shared"];
  const auto prompts = shared["prompts"].get<Sequences>();
  const auto end_ids = shared["end_ids"].get<Sequences>();
  std::vector<GreedyRequest> requests;
  for (size_t i = 0; i < prompts.size(); ++i) {
    requests.push_back({prompts[i], shared["limits"][i].get<int>(), end_ids[i]});
  }
  const auto expected = shared["generated"].get<Sequences>();
  EXPECT_EQ(Generate(requests, {.caches = {.share_prefixes = false}}), expected);
  usage_ = {};
  for (const int batch : {64, 4}) {
    EXPECT_EQ(Generate(requests, {.max_batch = batch}), expected) << "batch " << batch;
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
  const auto scores = Score(Texts(), {});
  for (size_t i = 0; i < scores.size(); ++i) {
    const json& expected = expected_["scores"][i];
    ExpectNear(scores[i], &TokenScore::log_probability, expected["log_probabilities"],
               kLogitTolerance);
    ExpectNear(scores[i], &TokenScore::mean, expected["means"], kLogitTolerance);
    ExpectNear(scores[i], &TokenScore::variance, expected["variances"], kVarianceTolerance);
  }
}

TEST_P(ParityTest, ScoresOfATextAreTheSameBitsAloneAndAmongOthers) {
  const std::vector<ScoreQuery> texts = Texts();
  const auto together = Score(texts, {});
  for (size_t i = 0; i < texts.size(); ++i) {
    ScoreQuery alone = texts[i];
    alone.request = 0;
    EXPECT_EQ(Score({alone}, {}).front(), together[i]);
  }
}

TEST_P(ParityTest, ScoresAfterSharedPrefixesEqualTransformersAndAreTheSameBitsWithoutSharing) {
  const json& shared = expected_["shared"];
  const auto scored = shared["scored"].get<Sequences>();
  std::vector<ScoreQuery> queries;
  std::vector<int32_t> candidates(shared["next"][0].size());
  std::iota(candidates.begin(), candidates.end(), 0);
  for (size_t i = 0; i < scored.size(); ++i) {
    queries.push_back({scored[i], shared["first"][i].get<size_t>(), candidates, i});
  }
  const auto scores = Score(queries, {});
  if (!HasTwoRopes()) {
    EXPECT_LT(usage_.computed_prompt_tokens, usage_.prompt_tokens / 3);
  }
  EXPECT_EQ(Score(queries, {.share_prefixes = false}), scores);
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
  HostRunner runner(*model_, *vectors);
  ExpectKernelLogits(runner, "steered", kSteeredPrompts);
  std::vector<GreedyRequest> requests;
  std::vector<ScoreQuery> queries;
  for (size_t i = 0; i < steering["generated"].size(); ++i) {
    requests.push_back({prompts_[i], expected_["new_tokens"].get<int>(), {4}});
    queries.push_back({prompts_[i], 1, {}, i});
  }
  Sequences expected;
  Filter(steering["generated"], requests, expected);
  const auto generated = GenerateGreedy(runner, requests, {}, nullptr, cancel_, usage_);
  ASSERT_TRUE(generated.ok()) << generated.status();
  EXPECT_EQ(*generated, expected);
  const auto scores = ScoreTokens(runner, queries, queries.size(), {}, nullptr, cancel_, usage_);
  ASSERT_TRUE(scores.ok()) << scores.status();
  for (size_t i = 0; i < scores->size(); ++i) {
    ExpectNear((*scores)[i], &TokenScore::log_probability, steering["scores"][i], kLogitTolerance);
  }
}

TEST_P(ParityTest, SavedModelIsTheSameModel) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) /
                                       absl::StrCat("rwku_saved_", getpid(), "_", GetParam());
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

INSTANTIATE_TEST_SUITE_P(Models, ParityTest,
                         testing::Values("mha", "gqa_tied", "mqa_odd", "head_dim", "llama3_8",
                                         "llama3_32", "linear", "sharded", "bfloat16", "two_ends",
                                         "mistral", "mistral_window", "mistral_narrow", "phi3",
                                         "phi3_window", "phi3_short", "phi3_long", "qwen2",
                                         "qwen2_tied", "qwen2_window", "qwen2_layers"),
                         [](const auto& info) { return std::string(info.param); });

using LongRopeTest = ParityTest;

TEST_P(LongRopeTest, ATextOneTokenBeyondTheOriginalLengthTakesTheLongFactorsFromItsStart) {
  const auto original =
      static_cast<size_t>(model_->config().rope_scaling.original_max_position_embeddings);
  std::vector<int32_t> text;
  while (text.size() < original + 1) {
    text.push_back(static_cast<int32_t>(5 + 7 * text.size() % 200));
  }
  const std::vector<TokenScore> whole = Score({{text, 1, {}, 0}}, {}).front();
  ScoreQuery query{text, 1, {text.back()}, 0, text.size()};
  query.context.pop_back();
  EXPECT_EQ(Score({query}, {}).front(), whole);
  query.length = 0;
  EXPECT_NE(Score({query}, {}).front(), whole);
}

TEST_P(LongRopeTest, AnAnswerThatWouldChangeTheFactorsIsRefused) {
  const auto original =
      static_cast<size_t>(model_->config().rope_scaling.original_max_position_embeddings);
  const std::vector<int32_t> prompt(original - 3, 7);
  HostRunner runner(*model_);
  const auto generate = [&](int tokens) {
    return GenerateGreedy(runner, {{prompt, 1}, {prompt, tokens}}, {}, nullptr, cancel_, usage_);
  };
  EXPECT_TRUE(generate(4).ok());
  const absl::Status status = generate(5).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(evaluate::RequestOf(status), 1U);
  EXPECT_THAT(std::string(status.message()),
              testing::HasSubstr("original_max_position_embeddings"));
}

INSTANTIATE_TEST_SUITE_P(Models, LongRopeTest, testing::Values("phi3_long"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace rwku::engine
