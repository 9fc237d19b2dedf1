#include "worker/engine/decode/torch_runner.h"

#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/decode/generate.h"
#include "worker/engine/decode/host_runner.h"
#include "worker/engine/decode/tiny_model_fixture.h"

namespace rwku::engine {
namespace {

using testing::FloatNear;
using testing::Pointwise;

constexpr int64_t kCacheBytes = int64_t{1} << 20;

class TorchRunnerTest : public testing::Test {
 protected:
  std::vector<DecodeRequest> Requests() const {
    std::vector<DecodeRequest> requests;
    for (std::vector<int32_t>& prompt : FewShotSequences(20)) {
      requests.push_back({std::move(prompt), static_cast<int>(1 + 7 * requests.size() % 23), {30}});
    }
    return requests;
  }

  const std::unique_ptr<CausalLm> model_ = CausalLm::Random(TinyConfig(), 1, 0.3);
  TorchRunner runner_{*model_, {}, kCacheBytes};
  HostRunner host_{*model_};
  const CancelToken cancel_;
  evaluate::Usage usage_;
};

TEST_F(TorchRunnerTest, LogitsAreTheHostRunnersUpToRounding) {
  for (const std::vector<int32_t>& tokens : FewShotSequences(4)) {
    EXPECT_THAT(LogitsOf(runner_, tokens, 0),
                Pointwise(FloatNear(2e-5), LogitsOf(host_, tokens, 0)));
  }
}

TEST_F(TorchRunnerTest, SteeringIsAddedToTheLayersThatHaveAVector) {
  const std::vector<int32_t> tokens = FewShotSequences(2)[0];
  LayerVectors steering(2);
  steering[1].assign(32, 0.25F);
  TorchRunner steered(*model_, steering, kCacheBytes);
  HostRunner expected(*model_, steering);
  EXPECT_THAT(LogitsOf(steered, tokens, 0),
              Pointwise(FloatNear(2e-5), LogitsOf(expected, tokens, 0)));
}

TEST_F(TorchRunnerTest, TokensAreTheHostRunnersWhateverBatchAndMemory) {
  const std::vector<DecodeRequest> requests = Requests();
  const auto expected = GenerateTokens(host_, requests, {}, nullptr, cancel_, usage_);
  ASSERT_TRUE(expected.ok()) << expected.status();
  for (const int batch : {64, 3, 1}) {
    // 120 positions hold one sequence at a time: ranges are reused and moved together.
    for (const int64_t positions : {4000, 700, 300, 120}) {
      const int64_t bytes = runner_.CacheBytes(positions);
      TorchRunner runner(*model_, {}, bytes);
      const auto tokens =
          GenerateTokens(runner, requests, {.max_batch = batch, .caches = {.bytes = bytes}},
                         nullptr, cancel_, usage_);
      ASSERT_TRUE(tokens.ok()) << tokens.status();
      EXPECT_EQ(*tokens, *expected) << batch << " in a batch, " << positions << " positions";
    }
  }
}

TEST_F(TorchRunnerTest, SampledTokensAreTheHostRunners) {
  std::vector<DecodeRequest> requests = Requests();
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].sampling = Sampling{.top_p = 0.9, .stream = std::to_string(i)};
  }
  const auto expected = GenerateTokens(host_, requests, {}, nullptr, cancel_, usage_);
  const auto tokens = GenerateTokens(runner_, requests, {.caches = {.bytes = kCacheBytes}}, nullptr,
                                     cancel_, usage_);
  ASSERT_TRUE(expected.ok() && tokens.ok()) << tokens.status();
  EXPECT_EQ(*tokens, *expected);
}

TEST_F(TorchRunnerTest, CachesThatMoveKeepWhatTheyHold) {
  const std::vector<std::vector<int32_t>> sequences = FewShotSequences(3);
  TorchRunner runner(*model_, {}, runner_.CacheBytes(220));
  auto first = runner.NewCache(70);
  const auto second = runner.NewCache(100);
  const std::vector<float> expected = LogitsOf(host_, sequences[1], sequences[1].size() - 1);
  const absl::Span<const int32_t> tokens = sequences[1];
  HiddenAfter(runner, *second, tokens.first(40), 40);
  first.reset();
  const auto third = runner.NewCache(120);  // fits only once the second has moved
  const auto rows =
      runner.Forward({{second.get(), tokens.subspan(40), tokens.size() - 41}}, cancel_);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(runner.Logits(AllOf(**rows)), Pointwise(FloatNear(2e-5), expected));
}

// Decode steps are filled up to one size, so that a row's bits do not depend on its company.
TEST_F(TorchRunnerTest, ADecodeStepOfOneSizeGivesEveryRowTheSameBits) {
  std::vector<std::unique_ptr<KvCache>> caches;
  std::vector<std::unique_ptr<KvCache>> alone;
  std::vector<CachePiece> pieces;
  const std::vector<int32_t> next = {7};
  for (const std::vector<int32_t>& sequence : FewShotSequences(9)) {
    for (auto* const made : {&caches, &alone}) {
      made->push_back(runner_.NewCache(static_cast<int64_t>(sequence.size()) + 1));
      HiddenAfter(runner_, *made->back(), sequence, sequence.size());
    }
    pieces.push_back({caches.back().get(), next, 0});
  }
  const auto together = runner_.Forward(pieces, cancel_);
  ASSERT_TRUE(together.ok()) << together.status();
  const std::vector<float> rows = runner_.ToHost(**together);
  const size_t width = rows.size() / pieces.size();
  for (size_t i = 0; i < alone.size(); ++i) {
    EXPECT_EQ(absl::MakeConstSpan(rows).subspan(i * width, width),
              absl::MakeConstSpan(HiddenAfter(runner_, *alone[i], next, 0)));
  }
}

TEST_F(TorchRunnerTest, CancelEndsAPass) {
  CancelToken cancel;
  const auto cache = runner_.NewCache(8);
  cancel.Cancel(absl::CancelledError("enough"));
  EXPECT_EQ(runner_.Forward({{cache.get(), {1, 2, 3}, 0}}, cancel).status(),
            absl::CancelledError("enough"));
}

}  // namespace
}  // namespace rwku::engine
