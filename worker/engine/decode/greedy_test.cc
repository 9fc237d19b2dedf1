#include "worker/engine/decode/greedy.h"

#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rwku::engine {
namespace {

ModelConfig TinyConfig() {
  ModelConfig config;
  config.hidden_size = 32;
  config.intermediate_size = 48;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 16;
  config.vocab_size = 50;
  return config;
}

class GreedyTest : public testing::Test {
 protected:
  const std::unique_ptr<LlamaModel> model_ = LlamaModel::Random(TinyConfig(), 1, 0.3);
  CpuRunner runner_{*model_};
  const CancelToken cancel_;
  const std::vector<std::vector<int32_t>> prompts_ = {{1, 2, 3}, {4}, {5, 6, 7, 8, 9}, {10, 11}};
};

TEST_F(GreedyTest, LittleCacheMakesPromptsWaitAndChangesNothing) {
  GreedyOptions options;
  const auto all = GenerateGreedy(runner_, prompts_, options, nullptr, cancel_);
  ASSERT_TRUE(all.ok()) << all.status();
  options.cache_bytes = KvCache::Bytes(TinyConfig(), 48);
  const auto waiting = GenerateGreedy(runner_, prompts_, options, nullptr, cancel_);
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  EXPECT_EQ(*waiting, *all);
}

TEST_F(GreedyTest, PromptBeyondTheCacheIsResourceExhausted) {
  GreedyOptions options;
  options.cache_bytes = 100;
  EXPECT_EQ(GenerateGreedy(runner_, prompts_, options, nullptr, cancel_).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(GreedyTest, EndTokenEndsItsSequenceAlone) {
  GreedyOptions options;
  options.max_new_tokens = 8;
  const auto all = GenerateGreedy(runner_, prompts_, options, nullptr, cancel_);
  ASSERT_TRUE(all.ok()) << all.status();
  options.end_ids = {(*all)[0][0]};
  const auto ended = GenerateGreedy(runner_, prompts_, options, nullptr, cancel_);
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ((*ended)[0].size(), 1);
  for (size_t i = 0; i < prompts_.size(); ++i) {
    const std::vector<int32_t>& whole = (*all)[i];
    EXPECT_TRUE(std::equal((*ended)[i].begin(), (*ended)[i].end(), whole.begin()));
  }
}

TEST_F(GreedyTest, BadPromptsAreRefused) {
  for (const std::vector<int32_t>& bad : {std::vector<int32_t>{}, {50}, {-1}}) {
    EXPECT_EQ(GenerateGreedy(runner_, {bad}, {}, nullptr, cancel_).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(GreedyTest, PromptWithoutAFiniteLogitIsNamed) {
  for (const float bad : {NAN, INFINITY}) {
    model_->embedding[7].fill_(bad);  // of a token of prompt 2 alone
    CpuRunner runner(*model_);
    const absl::Status status = GenerateGreedy(runner, prompts_, {}, nullptr, cancel_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("prompt 2"));
  }
}

TEST_F(GreedyTest, ProgressEndsWithEveryPrompt) {
  size_t last = 0;
  const auto all = GenerateGreedy(
      runner_, prompts_, {}, [&](size_t done, size_t total) { last = done * 100 + total; },
      cancel_);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(last, 404);
}

}  // namespace
}  // namespace rwku::engine
