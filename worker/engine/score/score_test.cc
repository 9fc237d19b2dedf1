#include "worker/engine/score/score.h"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

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

TEST(ScoreTest, TextWithoutFiniteProbabilitiesIsNamed) {
  const CancelToken cancel;
  const std::vector<std::vector<int32_t>> texts = {{1, 2, 3}, {4}, {5, 6, 7, 8}};
  for (const float bad : {NAN, INFINITY}) {
    const std::unique_ptr<LlamaModel> model = LlamaModel::Random(TinyConfig(), 1, 0.3);
    {
      CpuRunner runner(*model);
      const auto scores = ScoreSequences(runner, texts, nullptr, cancel);
      EXPECT_TRUE(scores.ok()) << scores.status();
    }
    model->embedding[6].fill_(bad);
    CpuRunner runner(*model);
    const absl::Status status = ScoreSequences(runner, texts, nullptr, cancel).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("text 2"));
  }
}

TEST(ScoreTest, OneNanAmongTheLogitsIsNotAProbabilityOfZero) {
  const CancelToken cancel;
  const std::unique_ptr<LlamaModel> model = LlamaModel::Random(TinyConfig(), 1, 0.3);
  model->lm_head.weight[40].fill_(NAN);
  CpuRunner runner(*model);
  EXPECT_EQ(ScoreSequences(runner, {{1, 2, 3}}, nullptr, cancel).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace rwku::engine
