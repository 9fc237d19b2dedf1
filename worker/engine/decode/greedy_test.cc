#include <algorithm>
#include <cmath>
#include <memory>

#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "benchmark/evaluate/request_error.h"
#include "worker/engine/decode/generate.h"
#include "worker/engine/decode/host_runner.h"
#include "worker/engine/decode/tiny_model_fixture.h"

namespace rwku::engine {
namespace {

using Outputs = std::vector<std::vector<int32_t>>;

class GreedyTest : public testing::Test {
 protected:
  absl::StatusOr<Outputs> Generate(const std::vector<DecodeRequest>& requests,
                                   const DecodeOptions& options = {},
                                   const evaluate::ProgressCallback& progress = nullptr) {
    usage_ = {};
    return GenerateTokens(runner_, requests, options, progress, cancel_, usage_);
  }

  // Prompts that share much, each with a limit of its own.
  static std::vector<DecodeRequest> FewShotRequests() {
    std::vector<DecodeRequest> requests;
    for (std::vector<int32_t>& prompt : FewShotSequences(20)) {
      requests.push_back({std::move(prompt),
                          static_cast<int>(1 + 7 * requests.size() % 23),
                          {static_cast<int32_t>(requests.size()), 30, 31, 32}});
    }
    return requests;
  }

  const std::unique_ptr<CausalLm> model_ = CausalLm::Random(TinyConfig(), 1, 0.3);
  HostRunner runner_{*model_};
  const CancelToken cancel_;
  evaluate::Usage usage_;
  const std::vector<DecodeRequest> requests_ = {{{1, 2, 3}}, {{4}}, {{5, 6, 7, 8, 9}}, {{10, 11}}};
};

TEST_F(GreedyTest, LittleCacheMakesPromptsWaitAndChangesNothing) {
  const auto all = Generate(requests_);
  ASSERT_TRUE(all.ok()) << all.status();
  const auto waiting =
      Generate(requests_, {.caches = {.bytes = HostKvCache::Bytes(TinyConfig(), 48)}});
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  EXPECT_EQ(*waiting, *all);
}

TEST_F(GreedyTest, SharedPrefixesChangeNothingWhateverBatchAndMemory) {
  const std::vector<DecodeRequest> requests = FewShotRequests();
  const auto whole = Generate(requests, {.caches = {.share_prefixes = false}});
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(usage_.computed_prompt_tokens, usage_.prompt_tokens);
  const evaluate::Usage naive = usage_;
  for (const int batch : {64, 3, 1}) {
    for (const int64_t positions : {1 << 20, 600, 300, 128}) {
      const auto shared = Generate(
          requests,
          {.max_batch = batch, .caches = {.bytes = HostKvCache::Bytes(TinyConfig(), positions)}});
      ASSERT_TRUE(shared.ok()) << shared.status();
      EXPECT_EQ(*shared, *whole) << batch << " in a batch, " << positions << " positions";
      EXPECT_EQ(usage_.prompt_tokens, naive.prompt_tokens);
      EXPECT_EQ(usage_.generated_tokens, naive.generated_tokens);
    }
  }
}

TEST_F(GreedyTest, UsageCountsSharedTokensOnceAndEveryNewToken) {
  const std::vector<DecodeRequest> requests = FewShotRequests();
  const auto outputs = Generate(requests);
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  int64_t prompt_tokens = 0;
  int64_t new_tokens = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    prompt_tokens += static_cast<int64_t>(requests[i].prompt.size());
    new_tokens += static_cast<int64_t>((*outputs)[i].size());
  }
  EXPECT_EQ(usage_.prompt_tokens, prompt_tokens);
  EXPECT_LT(usage_.computed_prompt_tokens, prompt_tokens / 3);
  EXPECT_EQ(usage_.generated_tokens, new_tokens);
}

TEST_F(GreedyTest, EveryRequestHasItsOwnLimitAndEnds) {
  std::vector<DecodeRequest> requests = FewShotRequests();
  const auto ended = Generate(requests);
  ASSERT_TRUE(ended.ok()) << ended.status();
  std::vector<DecodeRequest> endless = requests;
  for (DecodeRequest& request : endless) {
    request.max_new_tokens = 30;
    request.end_ids.clear();
  }
  const auto whole = Generate(endless);
  ASSERT_TRUE(whole.ok()) << whole.status();
  for (size_t i = 0; i < requests.size(); ++i) {
    std::vector<int32_t> expected = (*whole)[i];
    expected.resize(static_cast<size_t>(requests[i].max_new_tokens));
    const auto end = std::find_first_of(expected.begin(), expected.end(),
                                        requests[i].end_ids.begin(), requests[i].end_ids.end());
    expected.erase(end == expected.end() ? end : end + 1, expected.end());
    EXPECT_EQ((*ended)[i], expected);
  }
}

TEST_F(GreedyTest, PromptBeyondTheCacheIsResourceExhausted) {
  const absl::Status status = Generate(requests_, {.caches = {.bytes = 100}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(evaluate::RequestOf(status).has_value());
}

TEST_F(GreedyTest, BadRequestsAreRefusedByNumber) {
  const std::vector<DecodeRequest> bad = {{{}}, {{50}}, {{-1}}, {{1}, 0}};
  for (const DecodeRequest& request : bad) {
    const absl::Status status = Generate({{{1}}, request}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(evaluate::RequestOf(status), 1U);
  }
}

TEST_F(GreedyTest, PromptWithoutAFiniteLogitIsNamed) {
  for (const float bad : {NAN, INFINITY}) {
    model_->embedding[7].fill_(bad);  // of a token of request 2 alone
    HostRunner runner(*model_);
    const absl::Status status =
        GenerateTokens(runner, requests_, {}, nullptr, cancel_, usage_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_EQ(evaluate::RequestOf(status), 2U);
  }
}

TEST_F(GreedyTest, ProgressEndsWithEveryPrompt) {
  for (const int limit : {1, 30}) {
    std::vector<DecodeRequest> requests = requests_;
    for (DecodeRequest& request : requests) {
      request.max_new_tokens = limit;
    }
    size_t last = 0;
    const auto all = Generate(requests, {.max_batch = 2},
                              [&](size_t done, size_t total) { last = done * 100 + total; });
    ASSERT_TRUE(all.ok()) << all.status();
    EXPECT_EQ(last, 404);
  }
}

}  // namespace
}  // namespace rwku::engine
