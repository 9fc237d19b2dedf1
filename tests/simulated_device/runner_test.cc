// TorchRunner on the simulated device, beside the same on the CPU.
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/simulated_device/simulated_device.h"
#include "tests/simulated_device/synchronisations.h"
#include "worker/engine/decode/greedy.h"
#include "worker/engine/decode/sample.h"
#include "worker/engine/decode/tiny_model_fixture.h"
#include "worker/engine/decode/torch_runner.h"
#include "worker/engine/score/score.h"

namespace rwku::engine {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kCacheBytes = int64_t{1} << 20;

class RunnerOnDeviceTest : public testing::TestWithParam<at::ScalarType> {
 protected:
  static std::unique_ptr<CausalLm> Model(at::Device device) {
    return CausalLm::Random(TinyConfig(), 1, 0.3, device, GetParam());
  }

  static std::vector<GreedyRequest> Requests() {
    std::vector<GreedyRequest> requests;
    for (std::vector<int32_t>& prompt : FewShotSequences(20)) {
      requests.push_back({std::move(prompt), static_cast<int>(1 + 7 * requests.size() % 23), {30}});
    }
    return requests;
  }

  const std::unique_ptr<CausalLm> model_ = Model(simulated::Device());
  const std::unique_ptr<CausalLm> on_cpu_ = Model(at::kCPU);
  TorchRunner runner_{*model_, {}, kCacheBytes};
  TorchRunner expected_{*on_cpu_, {}, kCacheBytes};
  const GreedyOptions options_{.caches = {.bytes = kCacheBytes}};
  const CancelToken cancel_;
  evaluate::Usage usage_;
};

TEST_P(RunnerOnDeviceTest, LogitsAreTheCpus) {
  for (const std::vector<int32_t>& tokens : FewShotSequences(4)) {
    EXPECT_EQ(LogitsOf(runner_, tokens, 0), LogitsOf(expected_, tokens, 0));
  }
}

TEST_P(RunnerOnDeviceTest, TokensAreTheCpusWhateverTheMemory) {
  // 120 positions hold one sequence at a time: ranges are reused and moved together.
  for (const int64_t positions : {4000, 300, 120}) {
    const int64_t bytes = runner_.CacheBytes(positions);
    TorchRunner here(*model_, {}, bytes);
    TorchRunner there(*on_cpu_, {}, bytes);
    const GreedyOptions options{.max_batch = 7, .caches = {.bytes = bytes}};
    const auto tokens = GenerateGreedy(here, Requests(), options, nullptr, cancel_, usage_);
    ASSERT_TRUE(tokens.ok()) << tokens.status();
    EXPECT_EQ(*tokens, *GenerateGreedy(there, Requests(), options, nullptr, cancel_, usage_))
        << positions << " positions";
  }
}

TEST_P(RunnerOnDeviceTest, SampledTokensAndScoresAreTheCpus) {
  std::vector<Sampling> samplings;
  std::vector<ScoreQuery> queries;
  for (const GreedyRequest& request : Requests()) {
    samplings.push_back({.top_p = 0.9, .stream = std::to_string(samplings.size())});
    queries.push_back({.context = request.prompt, .next = {3, 4}, .request = queries.size()});
  }
  const auto draw = [&](Runner& runner) {
    return GenerateSampled(runner, Requests(), samplings, options_, nullptr, cancel_, usage_);
  };
  const auto tokens = draw(runner_);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_EQ(*tokens, *draw(expected_));
  const auto score = [&](Runner& runner) {
    return ScoreTokens(runner, queries, queries.size(), options_.caches, nullptr, cancel_, usage_);
  };
  const auto scores = score(runner_);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ(*scores, *score(expected_));
}

TEST_P(RunnerOnDeviceTest, APassReadsNothingBackAndItsAnswerOnce) {
  const std::vector<std::vector<int32_t>> sequences = FewShotSequences(3);
  const auto first = runner_.NewCache(200);
  const auto second = runner_.NewCache(200);
  const std::vector<CachePiece> pieces = {{first.get(), sequences[0], sequences[0].size() - 1},
                                          {second.get(), sequences[1], sequences[1].size() - 1}};
  // Keys and values have their place by now, and rotations their table.
  ASSERT_TRUE(runner_.Forward(pieces, cancel_).ok());
  const simulated::NoSynchronisationScope scope;
  const auto rows =
      runner_.Forward({{first.get(), sequences[2], 0}, {second.get(), {5}, 0}}, cancel_);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(scope.Found(), IsEmpty());
  EXPECT_THAT(runner_.Argmax(AllOf(**rows)), SizeIs(sequences[2].size() + 1));
  EXPECT_THAT(scope.Found(), testing::ElementsAre(HasSubstr("a copy to the host")));
}

INSTANTIATE_TEST_SUITE_P(Dtypes, RunnerOnDeviceTest, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& info) {
                           return info.param == at::kFloat ? "Float32" : "Bfloat16";
                         });

}  // namespace
}  // namespace rwku::engine
