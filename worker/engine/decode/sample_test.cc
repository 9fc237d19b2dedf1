#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "benchmark/evaluate/request_error.h"
#include "worker/engine/decode/generate.h"
#include "worker/engine/decode/host_runner.h"
#include "worker/engine/decode/sampler.h"
#include "worker/engine/decode/tiny_model_fixture.h"

namespace rwku::engine {
namespace {

using Outputs = std::vector<std::vector<int32_t>>;

class SampleTest : public testing::Test {
 protected:
  SampleTest() {
    for (std::vector<int32_t>& prompt : FewShotSequences(80)) {
      requests_.push_back({std::move(prompt),
                           static_cast<int>(1 + 7 * requests_.size() % 23),
                           {static_cast<int32_t>(requests_.size() % 50), 30}});
      samplings_.push_back({.temperature = 1 + 0.1 * static_cast<double>(samplings_.size() % 3),
                            .top_p = samplings_.size() % 2 == 0 ? 0.9 : 1.0,
                            .seed = 3,
                            .stream = absl::StrCat("text/", samplings_.size())});
    }
  }

  absl::StatusOr<Outputs> Generate(const DecodeOptions& options = {}) {
    return Generate(runner_, options);
  }

  absl::StatusOr<Outputs> Generate(Runner& runner, const DecodeOptions& options) {
    for (size_t i = 0; i < requests_.size(); ++i) {
      requests_[i].sampling = samplings_[i];
    }
    return GenerateTokens(runner, requests_, options, nullptr, cancel_, usage_);
  }

  // The next token's logits after `tokens`, computed alone.
  std::vector<float> LogitsAfter(const std::vector<int32_t>& tokens) {
    return LogitsOf(runner_, tokens, tokens.size() - 1);
  }

  const std::unique_ptr<CausalLm> model_ = CausalLm::Random(TinyConfig(), 1, 0.3);
  HostRunner runner_{*model_};
  const CancelToken cancel_;
  evaluate::Usage usage_;
  std::vector<DecodeRequest> requests_;
  std::vector<Sampling> samplings_;
};

TEST_F(SampleTest, EveryPositionTakesItsDrawOfTheStream) {
  const auto outputs = Generate();
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  for (const size_t i : {0U, 7U, 33U}) {
    Random draws(samplings_[i].seed, samplings_[i].stream);
    std::vector<int32_t> tokens = requests_[i].prompt;
    for (const int32_t token : (*outputs)[i]) {
      EXPECT_EQ(token, SampleToken(LogitsAfter(tokens), samplings_[i].temperature,
                                   samplings_[i].top_p, draws.Uniform()));
      tokens.push_back(token);
    }
  }
}

TEST_F(SampleTest, BatchAndMemoryChangeNoBit) {
  const auto alone = Generate({.max_batch = 1, .caches = {.share_prefixes = false}});
  ASSERT_TRUE(alone.ok()) << alone.status();
  for (const int batch : {1, 16, 64}) {
    for (const int64_t positions : {1 << 20, 600, 128}) {
      const auto outputs = Generate(
          {.max_batch = batch, .caches = {.bytes = HostKvCache::Bytes(TinyConfig(), positions)}});
      ASSERT_TRUE(outputs.ok()) << outputs.status();
      EXPECT_EQ(*outputs, *alone) << batch << " in a batch, " << positions << " positions";
    }
  }
}

TEST_F(SampleTest, StreamsAndSeedsAreIndependent) {
  requests_.resize(2);
  requests_[1] = requests_[0] = {{1, 2, 3}, 20};
  samplings_ = {{.stream = "a"}, {.stream = "b"}};
  const auto apart = Generate();
  ASSERT_TRUE(apart.ok()) << apart.status();
  EXPECT_NE((*apart)[0], (*apart)[1]);
  samplings_[1].stream = samplings_[0].stream;
  const auto equal = Generate();
  ASSERT_TRUE(equal.ok()) << equal.status();
  EXPECT_EQ((*equal)[0], (*equal)[1]);
  EXPECT_EQ((*equal)[0], (*apart)[0]);
  samplings_[1].seed = 4;
  const auto seeds = Generate();
  ASSERT_TRUE(seeds.ok()) << seeds.status();
  EXPECT_NE((*seeds)[0], (*seeds)[1]);
}

TEST_F(SampleTest, GreedyRequestsInTheSameBatchChangeNothing) {
  const auto sampled = Generate();
  ASSERT_TRUE(sampled.ok()) << sampled.status();
  std::vector<DecodeRequest> greedy = requests_;
  for (DecodeRequest& request : greedy) {
    request.sampling.reset();
  }
  const auto most_likely = GenerateTokens(runner_, greedy, {}, nullptr, cancel_, usage_);
  ASSERT_TRUE(most_likely.ok()) << most_likely.status();
  std::vector<DecodeRequest> mixed = requests_;
  for (size_t i = 0; i < mixed.size(); i += 2) {
    mixed[i] = greedy[i];
  }
  for (const int batch : {7, 64}) {
    const auto outputs =
        GenerateTokens(runner_, mixed, {.max_batch = batch}, nullptr, cancel_, usage_);
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    for (size_t i = 0; i < mixed.size(); ++i) {
      EXPECT_EQ((*outputs)[i], i % 2 == 0 ? (*most_likely)[i] : (*sampled)[i]) << i;
    }
  }
}

TEST_F(SampleTest, BadSettingsAreRefusedByNumber) {
  for (const Sampling& bad :
       {Sampling{.temperature = 0, .stream = ""}, Sampling{.temperature = NAN, .stream = ""},
        Sampling{.top_p = 0, .stream = ""}, Sampling{.top_p = 1.01, .stream = ""}}) {
    samplings_[5] = bad;
    const absl::Status status = Generate().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(evaluate::RequestOf(status), 5U);
  }
}

TEST_F(SampleTest, PromptWithoutAFiniteLogitIsNamed) {
  requests_ = {{{1, 2}}, {{7}}};
  samplings_.resize(2);
  model_->embedding[7].fill_(NAN);
  HostRunner runner(*model_);
  const absl::Status status = Generate(runner, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
}

}  // namespace
}  // namespace rwku::engine
