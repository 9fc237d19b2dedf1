#include "worker/engine/score/score.h"

#include <cmath>
#include <memory>
#include <vector>

#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "benchmark/evaluate/request_error.h"
#include "worker/engine/decode/host_runner.h"
#include "worker/engine/decode/tiny_model_fixture.h"

namespace rwku::engine {
namespace {

using Scores = std::vector<std::vector<TokenScore>>;

class ScoreTest : public testing::Test {
 protected:
  absl::StatusOr<Scores> Score(const std::vector<ScoreQuery>& queries,
                               const CacheOptions& options = {}) {
    HostRunner runner(*model_);
    usage_ = {};
    return ScoreTokens(runner, queries, queries.size(), options, nullptr, cancel_, usage_);
  }

  // Over sequences that share much, from the whole text to the next token alone.
  static std::vector<ScoreQuery> FewShotQueries() {
    std::vector<ScoreQuery> queries;
    for (std::vector<int32_t>& context : FewShotSequences(20)) {
      const size_t i = queries.size();
      const size_t firsts[] = {1, context.size(), context.size() - context.size() / 4, 70, 61};
      const size_t first = std::min(firsts[i % 5], context.size());
      queries.push_back({std::move(context), first, {static_cast<int32_t>(i), 3, 49}, i});
    }
    return queries;
  }

  const std::unique_ptr<CausalLm> model_ = CausalLm::Random(TinyConfig(), 1, 0.3);
  const CancelToken cancel_;
  evaluate::Usage usage_;
};

TEST_F(ScoreTest, EveryTokenThatWasAskedForHasAScore) {
  const std::vector<ScoreQuery> queries = FewShotQueries();
  const auto scores = Score(queries);
  ASSERT_TRUE(scores.ok()) << scores.status();
  for (size_t i = 0; i < queries.size(); ++i) {
    EXPECT_EQ((*scores)[i].size(), queries[i].context.size() - queries[i].first + 3);
  }
}

TEST_F(ScoreTest, SharedPrefixesChangeNoBitWhateverMemory) {
  const std::vector<ScoreQuery> queries = FewShotQueries();
  const auto whole = Score(queries, {.share_prefixes = false});
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(usage_.computed_prompt_tokens, usage_.prompt_tokens);
  const int64_t naive = usage_.prompt_tokens;
  for (const int64_t positions : {1 << 20, 600, 300, 128}) {
    const auto shared = Score(queries, {.bytes = HostKvCache::Bytes(TinyConfig(), positions)});
    ASSERT_TRUE(shared.ok()) << shared.status();
    EXPECT_EQ(*shared, *whole) << positions << " positions";
    EXPECT_EQ(usage_.prompt_tokens, naive);
  }
  ASSERT_TRUE(Score(queries).ok());
  EXPECT_LT(usage_.computed_prompt_tokens, naive / 3);
  EXPECT_EQ(usage_.generated_tokens, 0);
}

TEST_F(ScoreTest, ScoreOfATokenIsThatOfItAsANextToken) {
  const std::vector<int32_t> tokens = FewShotSequences(3)[0];
  const auto whole = Score({{tokens, 1, {}, 0}});
  ASSERT_TRUE(whole.ok()) << whole.status();
  for (size_t t = 1; t < tokens.size(); ++t) {
    const std::vector<int32_t> context(tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(t));
    const auto next = Score({{context, t, {tokens[t]}, 0}});
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_EQ(next->front().front(), whole->front()[t - 1]);
  }
}

TEST_F(ScoreTest, ExactlyOneTokenIsTheMostLikelyAndItHasTheLargestProbability) {
  ScoreQuery query{{1, 2, 3}, 3, {}, 0};
  for (int32_t token = 0; token < TinyConfig().vocab_size; ++token) {
    query.next.push_back(token);
  }
  const auto scores = Score({query});
  ASSERT_TRUE(scores.ok()) << scores.status();
  double sum = 0;
  int most_likely = 0;
  for (const TokenScore& score : scores->front()) {
    sum += std::exp(score.log_probability);
    if (score.is_most_likely) {
      ++most_likely;
      for (const TokenScore& other : scores->front()) {
        EXPECT_LE(other.log_probability, score.log_probability);
      }
    }
  }
  EXPECT_NEAR(sum, 1, 1e-5);
  EXPECT_EQ(most_likely, 1);
}

TEST_F(ScoreTest, LowestOfEquallyLikelyTokensIsTheMostLikely) {
  model_->lm_head.weight.fill_(0.5);
  const auto scores = Score({{{1, 2, 3}, 3, {0, 1, 49}, 0}});
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_TRUE(scores->front()[0].is_most_likely);
  EXPECT_FALSE(scores->front()[1].is_most_likely);
  EXPECT_FALSE(scores->front()[2].is_most_likely);
}

TEST_F(ScoreTest, ProgressCountsRequestsNotQueries) {
  HostRunner runner(*model_);
  size_t last = 0;
  // Request 2 has no query.
  const auto scores = ScoreTokens(
      runner, {{{1, 2}, 1, {3}, 0}, {{1, 2}, 1, {4}, 0}, {{5}, 1, {6}, 1}}, 3, {},
      [&](size_t done, size_t total) { last = 10 * done + total; }, cancel_, usage_);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ(last, 33);
}

TEST_F(ScoreTest, BadQueriesAreErrorsOfTheirRequests) {
  const std::vector<ScoreQuery> bad = {
      {{50, 1}, 1, {}, 1}, {{-1}, 1, {}, 1}, {{1}, 1, {50}, 1}, {{}, 1, {}, 1}};
  for (const ScoreQuery& query : bad) {
    const absl::Status status = Score({{{1}, 1, {2}, 0}, query}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(evaluate::RequestOf(status), 1U);
  }
}

TEST_F(ScoreTest, TextWithoutFiniteProbabilitiesIsNamed) {
  const std::vector<ScoreQuery> texts = {
      {{1, 2}, 1, {3}, 0}, {{4}, 1, {4}, 1}, {{5, 6, 7}, 1, {8}, 2}};
  ASSERT_TRUE(Score(texts).ok());
  for (const float bad : {NAN, INFINITY}) {
    model_->embedding[6].fill_(bad);
    const absl::Status status = Score(texts).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_EQ(evaluate::RequestOf(status), 2U);
  }
}

TEST_F(ScoreTest, SharedPrefixWithoutFiniteProbabilitiesIsAnErrorOfOneThatHasIt) {
  model_->embedding[6].fill_(NAN);
  const std::vector<int32_t> shared = {6, 6, 6, 6, 6, 6, 6, 6, 6, 6};
  const absl::Status status =
      Score({{{1}, 1, {2}, 0}, {shared, 1, {1}, 1}, {shared, 1, {2}, 2}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_EQ(evaluate::RequestOf(status), 1U);
}

TEST_F(ScoreTest, OneNanAmongTheLogitsIsNotAProbabilityOfZero) {
  model_->lm_head.weight[40].fill_(NAN);
  EXPECT_EQ(Score({{{1, 2}, 1, {3}, 0}}).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace rwku::engine
