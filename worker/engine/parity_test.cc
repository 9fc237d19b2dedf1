// Agreement with HF transformers on the models of tests/oracle/model_oracle.py, which a CTest
// fixture runs into the folder RWKU_MODEL_ORACLE.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "worker/engine/decode/cpu_runner.h"
#include "worker/engine/decode/greedy.h"
#include "worker/engine/model/llama.h"
#include "worker/engine/model/safetensors.h"
#include "worker/engine/score/score.h"

namespace rwku::engine {
namespace {

using nlohmann::json;
using Sequences = std::vector<std::vector<int32_t>>;

constexpr double kLogitTolerance = 1e-5;
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
    auto model = LoadLlama(folder_, at::kCPU);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    std::ifstream file(folder_ / "expected.json");
    expected_ = json::parse(file);
    prompts_ = expected_["prompts"].get<Sequences>();
  }

  std::filesystem::path folder_;
  std::unique_ptr<LlamaModel> model_;
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
  const size_t count = expected->header().entries.size();
  const PackedSequences packed = MakePacked(absl::MakeConstSpan(prompts_).first(count), at::kCPU);
  const at::Tensor logits = model_->Logits(model_->Hidden(packed));
  for (size_t i = 0; i < count; ++i) {
    const at::Tensor part =
        logits.narrow(0, packed.offsets[i], packed.offsets[i + 1] - packed.offsets[i]);
    EXPECT_LE(LargestDifference(part, *expected->Get("logits." + std::to_string(i))),
              kLogitTolerance)
        << "prompt " << i;
  }
}

TEST_P(ParityTest, KernelLogitsEqualTransformers) {
  auto expected = SafetensorsFile::Open(folder_ / "expected.safetensors");
  ASSERT_TRUE(expected.ok()) << expected.status();
  CpuRunner runner(*model_);
  for (size_t i = 0; i < expected->header().entries.size(); ++i) {
    KvCache cache(model_->config(), static_cast<int64_t>(prompts_[i].size()));
    std::vector<float> logits;
    runner.Logits(runner.Forward({{&cache, prompts_[i]}}, CpuRunner::Rows::kAll), logits);
    const at::Tensor reference = *expected->Get("logits." + std::to_string(i));
    ASSERT_EQ(static_cast<int64_t>(logits.size()), reference.numel());
    double largest = 0;
    for (size_t j = 0; j < logits.size(); ++j) {
      largest = std::max(
          largest, static_cast<double>(std::abs(logits[j] - reference.const_data_ptr<float>()[j])));
    }
    EXPECT_LE(largest, kLogitTolerance) << "prompt " << i;
  }
}

TEST_P(ParityTest, GreedyTokensEqualTransformersAtEveryBatchSize) {
  CpuRunner runner(*model_);
  const CancelToken cancel;
  const auto expected = expected_["generated"].get<Sequences>();
  for (const int batch : {64, 5, 1}) {
    GreedyOptions options;
    options.max_new_tokens = expected_["new_tokens"].get<int>();
    options.end_ids = {4};
    options.max_batch = batch;
    const auto generated = GenerateGreedy(runner, prompts_, options, nullptr, cancel);
    ASSERT_TRUE(generated.ok()) << generated.status();
    EXPECT_EQ(*generated, expected) << "batch " << batch;
  }
}

TEST_P(ParityTest, TokenScoresEqualTransformers) {
  CpuRunner runner(*model_);
  const CancelToken cancel;
  const auto scores = ScoreSequences(runner, prompts_, nullptr, cancel);
  ASSERT_TRUE(scores.ok()) << scores.status();
  const auto expect_near = [](const std::vector<float>& values, const json& expected,
                              double tolerance) {
    ASSERT_EQ(values.size(), expected.size());
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(values[i], expected[i].get<double>(), tolerance);
    }
  };
  for (size_t i = 0; i < prompts_.size(); ++i) {
    const json& expected = expected_["scores"][i];
    expect_near((*scores)[i].log_probabilities, expected["log_probabilities"], kLogitTolerance);
    expect_near((*scores)[i].means, expected["means"], kLogitTolerance);
    expect_near((*scores)[i].variances, expected["variances"], kVarianceTolerance);
  }
}

TEST_P(ParityTest, ScoresOfATextAreTheSameBitsAloneAndAmongOthers) {
  CpuRunner runner(*model_);
  const CancelToken cancel;
  const auto together = ScoreSequences(runner, prompts_, nullptr, cancel);
  ASSERT_TRUE(together.ok()) << together.status();
  for (size_t i = 0; i < prompts_.size(); ++i) {
    const auto alone =
        ScoreSequences(runner, absl::MakeConstSpan(prompts_).subspan(i, 1), nullptr, cancel);
    ASSERT_TRUE(alone.ok()) << alone.status();
    EXPECT_EQ((*alone)[0].log_probabilities, (*together)[i].log_probabilities);
    EXPECT_EQ((*alone)[0].means, (*together)[i].means);
    EXPECT_EQ((*alone)[0].variances, (*together)[i].variances);
  }
}

TEST_P(ParityTest, SavedModelIsTheSameModel) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) /
                                       absl::StrCat("rwku_saved_", getpid(), "_", GetParam());
  std::filesystem::create_directories(folder);
  ASSERT_TRUE(SaveLlama(*model_, folder).ok());
  const auto again = LoadLlama(folder, at::kCPU);
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
                                         "llama3_32", "linear", "sharded", "bfloat16"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace rwku::engine
