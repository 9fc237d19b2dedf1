// Sequences that end with their first token: nothing is left for a decoding step.
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "worker/engine/decode/forwarding_runner_fixture.h"
#include "worker/engine/decode/generate.h"
#include "worker/engine/decode/host_runner.h"
#include "worker/engine/decode/tiny_model_fixture.h"

namespace rwku::engine {
namespace {

using Outputs = std::vector<std::vector<int32_t>>;

// Refuses passes and choices about nothing.
class StrictRunner final : public ForwardingRunner {
 public:
  using ForwardingRunner::ForwardingRunner;

  absl::StatusOr<std::unique_ptr<Rows>> Forward(absl::Span<const CachePiece> pieces,
                                                const CancelToken& cancel) override {
    EXPECT_FALSE(pieces.empty());
    return ForwardingRunner::Forward(pieces, cancel);
  }
  std::vector<int32_t> Argmax(absl::Span<const RowRef> rows) override {
    EXPECT_FALSE(rows.empty());
    return ForwardingRunner::Argmax(rows);
  }
  std::vector<float> Logits(absl::Span<const RowRef> rows) override {
    EXPECT_FALSE(rows.empty());
    return ForwardingRunner::Logits(rows);
  }
};

class EndsAtOnceTest : public testing::TestWithParam<DecodeOptions> {
 protected:
  // Prompts that share much; no token ends them.
  std::vector<DecodeRequest> Requests(int max_new_tokens) {
    std::vector<DecodeRequest> requests;
    for (std::vector<int32_t>& prompt : FewShotSequences(12)) {
      requests.push_back({std::move(prompt), max_new_tokens});
    }
    return requests;
  }

  absl::StatusOr<Outputs> Greedy(const std::vector<DecodeRequest>& requests) {
    return GenerateTokens(runner_, requests, GetParam(), nullptr, cancel_, usage_);
  }

  absl::StatusOr<Outputs> Sample(std::vector<DecodeRequest> requests) {
    for (DecodeRequest& request : requests) {
      request.sampling = Sampling{.temperature = 1, .top_p = 0.9, .seed = 3, .stream = "text"};
    }
    return GenerateTokens(runner_, requests, GetParam(), nullptr, cancel_, usage_);
  }

  const std::unique_ptr<CausalLm> model_ = CausalLm::Random(TinyConfig(), 1, 0.3);
  HostRunner host_{*model_};
  StrictRunner runner_{host_};
  const CancelToken cancel_;
  evaluate::Usage usage_;
};

TEST_P(EndsAtOnceTest, OneNewTokenIsTheFirstOfMany) {
  const auto many = Greedy(Requests(5));
  const auto one = Greedy(Requests(1));
  ASSERT_TRUE(many.ok()) << many.status();
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_EQ(one->size(), many->size());
  for (size_t i = 0; i < one->size(); ++i) {
    EXPECT_EQ((*one)[i], std::vector<int32_t>{(*many)[i][0]}) << i;
  }
}

TEST_P(EndsAtOnceTest, OneSampledTokenIsTheFirstOfMany) {
  const auto many = Sample(Requests(5));
  const auto one = Sample(Requests(1));
  ASSERT_TRUE(many.ok()) << many.status();
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_EQ(one->size(), many->size());
  for (size_t i = 0; i < one->size(); ++i) {
    EXPECT_EQ((*one)[i], std::vector<int32_t>{(*many)[i][0]}) << i;
  }
}

TEST_P(EndsAtOnceTest, AFirstTokenThatEndsLeavesNothingToStep) {
  std::vector<DecodeRequest> requests = Requests(5);
  const auto free = Greedy(requests);
  ASSERT_TRUE(free.ok()) << free.status();
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].end_ids = {(*free)[i][0]};
  }
  const auto ended = Greedy(requests);
  ASSERT_TRUE(ended.ok()) << ended.status();
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ((*ended)[i], std::vector<int32_t>{(*free)[i][0]}) << i;
  }
}

TEST_P(EndsAtOnceTest, NoRequestsAreAnsweredByNone) {
  const auto outputs = Greedy({});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_TRUE(outputs->empty());
}

INSTANTIATE_TEST_SUITE_P(Options, EndsAtOnceTest,
                         testing::Values(DecodeOptions{.max_batch = 1},
                                         DecodeOptions{.max_batch = 5}, DecodeOptions{},
                                         DecodeOptions{.caches = {.share_prefixes = false}}));

}  // namespace
}  // namespace rwku::engine
