// One call for everything: the answers of separate calls, in fewer passes and within one budget.
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "base/status_macros.h"
#include "benchmark/evaluate/request_error.h"
#include "worker/engine/decode/forwarding_runner_fixture.h"
#include "worker/engine/decode/generate.h"
#include "worker/engine/decode/host_runner.h"
#include "worker/engine/decode/tiny_model_fixture.h"
#include "worker/engine/decode/torch_runner.h"
#include "worker/engine/score/score.h"

namespace rwku::engine {
namespace {

// Counts passes, and those of a single token beside more.
class CountingRunner final : public ForwardingRunner {
 public:
  using ForwardingRunner::ForwardingRunner;

  absl::StatusOr<std::unique_ptr<Rows>> Forward(absl::Span<const CachePiece> pieces,
                                                const CancelToken& cancel) override {
    EXPECT_FALSE(pieces.empty());
    ++passes_;
    int64_t tokens = 0;
    size_t steps = 0;
    for (const CachePiece& piece : pieces) {
      tokens += static_cast<int64_t>(piece.tokens.size());
      steps += piece.tokens.size() == 1 && piece.cache->length() > 0 ? 1 : 0;
    }
    most_tokens_ = std::max(most_tokens_, tokens);
    mixed_ += steps > 0 && steps < pieces.size() ? 1 : 0;
    return ForwardingRunner::Forward(pieces, cancel);
  }

  int passes() const { return passes_; }
  int mixed() const { return mixed_; }
  int64_t most_tokens() const { return most_tokens_; }

 private:
  int passes_ = 0;
  int mixed_ = 0;
  int64_t most_tokens_ = 0;
};

class AnswerTest : public testing::Test {
 protected:
  AnswerTest() {
    for (std::vector<int32_t>& prompt : FewShotSequences(16)) {
      const size_t i = decode_.size();
      decode_.push_back({std::move(prompt), static_cast<int>(1 + 7 * i % 23), {30}});
      if (i % 3 == 0) {
        decode_.back().sampling = Sampling{.top_p = 0.9, .stream = absl::StrCat(i)};
      }
    }
    for (std::vector<int32_t>& context : FewShotSequences(40)) {
      const size_t i = queries_.size();
      const size_t first = i % 2 == 0 ? 1 : context.size();
      queries_.push_back({std::move(context), first, {static_cast<int32_t>(i), 3, 49}, i / 2});
    }
  }

  TokenQuestions All() const { return {decode_, queries_, queries_.size() / 2}; }

  absl::StatusOr<TokenAnswers> Answer(Runner& runner, const DecodeOptions& options) {
    usage_ = {};
    return AnswerTokens(runner, All(), options, nullptr, cancel_, usage_);
  }

  // By a call for each kind.
  absl::StatusOr<TokenAnswers> AnswerApart(Runner& runner, const DecodeOptions& options) {
    usage_ = {};
    const std::vector<size_t> kinds[] = {Numbers(true), Numbers(false)};
    TokenAnswers answers;
    answers.tokens.resize(decode_.size());
    for (const std::vector<size_t>& numbers : kinds) {
      std::vector<DecodeRequest> some;
      for (const size_t number : numbers) {
        some.push_back(decode_[number]);
      }
      RWKU_ASSIGN_OR_RETURN(auto tokens,
                            GenerateTokens(runner, some, options, nullptr, cancel_, usage_));
      for (size_t i = 0; i < numbers.size(); ++i) {
        answers.tokens[numbers[i]] = std::move(tokens[i]);
      }
    }
    RWKU_ASSIGN_OR_RETURN(answers.scores, ScoreTokens(runner, queries_, queries_.size() / 2,
                                                      options.caches, nullptr, cancel_, usage_));
    return answers;
  }

  std::vector<size_t> Numbers(bool sampled) const {
    std::vector<size_t> numbers;
    for (size_t i = 0; i < decode_.size(); ++i) {
      if (decode_[i].sampling.has_value() == sampled) {
        numbers.push_back(i);
      }
    }
    return numbers;
  }

  const std::unique_ptr<CausalLm> model_ = CausalLm::Random(TinyConfig(), 1, 0.3);
  HostRunner runner_{*model_};
  const CancelToken cancel_;
  evaluate::Usage usage_;
  std::vector<DecodeRequest> decode_;
  std::vector<ScoreQuery> queries_;
};

TEST_F(AnswerTest, OneCallGivesTheBitsOfSeparateCallsInFewerPasses) {
  for (const bool share_prefixes : {true, false}) {
    for (const int batch : {64, 5, 1}) {
      for (const int64_t pass_tokens : {1024, 128}) {
        const DecodeOptions options{
            .max_batch = batch,
            .caches = {.share_prefixes = share_prefixes, .pass_tokens = pass_tokens}};
        const auto apart = AnswerApart(runner_, options);
        ASSERT_TRUE(apart.ok()) << apart.status();
        const evaluate::Usage apart_usage = usage_;
        CountingRunner apart_runner(runner_);
        ASSERT_TRUE(GenerateTokens(apart_runner, decode_, options, nullptr, cancel_, usage_).ok());
        ASSERT_TRUE(ScoreTokens(apart_runner, queries_, queries_.size() / 2, options.caches,
                                nullptr, cancel_, usage_)
                        .ok());
        CountingRunner together_runner(runner_);
        const auto together = Answer(together_runner, options);
        ASSERT_TRUE(together.ok()) << together.status();
        const std::string name = absl::StrCat(share_prefixes ? "shared, " : "whole, ", batch,
                                              " in a batch, ", pass_tokens, " tokens in a pass");
        EXPECT_EQ(together->tokens, apart->tokens) << name;
        EXPECT_EQ(together->scores, apart->scores) << name;
        EXPECT_LE(together_runner.passes(), apart_runner.passes()) << name;
        // One at a time, the last has the smallest limit and may end with its first token.
        if (batch > 1) {
          EXPECT_LT(together_runner.passes(), apart_runner.passes()) << name;
          EXPECT_GT(together_runner.mixed(), 0) << name;
        }
        EXPECT_EQ(usage_.prompt_tokens, apart_usage.prompt_tokens) << name;
        EXPECT_EQ(usage_.generated_tokens, apart_usage.generated_tokens) << name;
        EXPECT_LE(usage_.computed_prompt_tokens, apart_usage.computed_prompt_tokens) << name;
        // The longest sequence begun below the limit may pass it.
        EXPECT_LT(together_runner.most_tokens(), pass_tokens + 100) << name;
      }
    }
  }
}

TEST_F(AnswerTest, LittleMemoryIsSharedAndChangesNoBit) {
  const auto whole = AnswerApart(runner_, {.caches = {.share_prefixes = false}});
  ASSERT_TRUE(whole.ok()) << whole.status();
  const evaluate::Usage naive = usage_;
  for (const int batch : {64, 3, 1}) {
    for (const int64_t positions : {1200, 600, 300, 128}) {
      const auto answers = Answer(
          runner_,
          {.max_batch = batch, .caches = {.bytes = HostKvCache::Bytes(TinyConfig(), positions)}});
      ASSERT_TRUE(answers.ok()) << answers.status();
      EXPECT_EQ(answers->tokens, whole->tokens) << batch << ", " << positions << " positions";
      EXPECT_EQ(answers->scores, whole->scores) << batch << ", " << positions << " positions";
      EXPECT_EQ(usage_.prompt_tokens, naive.prompt_tokens);
      EXPECT_EQ(usage_.generated_tokens, naive.generated_tokens);
    }
  }
}

// The arena of a TorchRunner holds the budget and no more.
TEST_F(AnswerTest, CachesOfBothStayWithinTheBudgetTogether) {
  const auto expected = AnswerApart(runner_, {});
  ASSERT_TRUE(expected.ok()) << expected.status();
  const TorchRunner any(*model_, {}, 1);
  for (const int64_t positions : {4000, 700, 300, 128}) {
    const int64_t bytes = any.CacheBytes(positions);
    TorchRunner runner(*model_, {}, bytes);
    const auto answers = Answer(runner, {.caches = {.bytes = bytes}});
    ASSERT_TRUE(answers.ok()) << answers.status();
    EXPECT_EQ(answers->tokens, expected->tokens) << positions << " positions";
    for (size_t i = 0; i < queries_.size(); ++i) {
      ASSERT_EQ(answers->scores[i].size(), expected->scores[i].size());
      for (size_t t = 0; t < expected->scores[i].size(); ++t) {
        EXPECT_NEAR(answers->scores[i][t].log_probability, expected->scores[i][t].log_probability,
                    1e-4);
      }
    }
  }
}

TEST_F(AnswerTest, TheLongestStartFirstWhateverTheirOrder) {
  std::vector<int> passes;
  for (const std::vector<int>& limits : {std::vector<int>{2, 2, 2, 2, 9}, {9, 2, 2, 2, 2}}) {
    std::vector<DecodeRequest> requests;
    for (const int limit : limits) {
      requests.push_back({{static_cast<int32_t>(requests.size() + 1)}, limit});
    }
    CountingRunner runner(runner_);
    const auto tokens =
        GenerateTokens(runner, requests, {.max_batch = 2}, nullptr, cancel_, usage_);
    ASSERT_TRUE(tokens.ok()) << tokens.status();
    passes.push_back(runner.passes());
  }
  EXPECT_EQ(passes[0], passes[1]);
}

TEST_F(AnswerTest, ProgressCountsAllRequests) {
  std::vector<size_t> reported;
  const auto answers = AnswerTokens(
      runner_, All(), {.max_batch = 4},
      [&](size_t done, size_t total) {
        EXPECT_EQ(total, 36U);
        reported.push_back(done);
      },
      cancel_, usage_);
  ASSERT_TRUE(answers.ok()) << answers.status();
  EXPECT_TRUE(std::is_sorted(reported.begin(), reported.end()));
  EXPECT_EQ(reported.back(), 36U);
}

TEST_F(AnswerTest, NothingAskedIsAnsweredByNothing) {
  const auto answers = AnswerTokens(runner_, {}, {}, nullptr, cancel_, usage_);
  ASSERT_TRUE(answers.ok()) << answers.status();
  EXPECT_TRUE(answers->tokens.empty() && answers->scores.empty());
}

TEST_F(AnswerTest, ErrorsCountTheRequestsToContinueFirst) {
  decode_[5].max_new_tokens = 0;
  EXPECT_EQ(evaluate::RequestOf(Answer(runner_, {}).status()), 5U);
  decode_[5].max_new_tokens = 5;
  queries_[6].next = {50};
  EXPECT_EQ(evaluate::RequestOf(Answer(runner_, {}).status()), 16U + 3);
  queries_[6].next = {1};
  // Found on the way, not before it.
  queries_[8].context.assign(500, 1);
  queries_[8].first = 1;
  const absl::Status status =
      Answer(runner_, {.caches = {.bytes = HostKvCache::Bytes(TinyConfig(), 400)}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(evaluate::RequestOf(status), 16U + 4);
}

TEST_F(AnswerTest, ScoresWithoutFiniteProbabilitiesAreNamedAmongAllRequests) {
  decode_ = {{{1, 2, 3}, 1}, {{4, 5}, 1}};
  queries_ = {{{1}, 1, {2}, 0}, {{2}, 1, {2}, 0}, {{7}, 1, {2}, 1}, {{8}, 1, {2}, 1}};
  model_->embedding[7].fill_(NAN);
  HostRunner runner(*model_);
  const absl::Status status = Answer(runner, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_EQ(evaluate::RequestOf(status), 2U + 1);
}

}  // namespace
}  // namespace rwku::engine
