// Equality with straightforward PyTorch loops, as tests/oracle/train_oracle.py ran them.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/model/safetensors.h"
#include "worker/engine/train/number_tokenizer.h"
#include "worker/engine/train/train.h"

namespace rwku::engine {
namespace {

using Json = nlohmann::json;

class TrainOracleTest : public testing::TestWithParam<const char*> {};

TrainingPlan PlanOf(const Json& json) {
  TrainingPlan plan;
  plan.texts = json["texts"].get<std::vector<std::string>>();
  const std::string objective = json["objective"].get<std::string>();
  plan.objective = objective == "ga"    ? Objective::kGradientAscent
                   : objective == "npo" ? Objective::kNpo
                                        : Objective::kCausalLm;
  plan.trained = json["lora"].get<bool>() ? TrainedWeights::kLora : TrainedWeights::kFull;
  plan.lora.rank = json["rank"].get<int>();
  plan.lora.alpha = json["alpha"].get<double>();
  plan.learning_rate = json["learning_rate"].get<double>();
  plan.warmup_steps = json["warmup_steps"].get<int>();
  plan.batch_size = json["batch_size"].get<int>();
  plan.accumulation = json["accumulation"].get<int>();
  plan.epochs = json["epochs"].get<int>();
  plan.beta = json["beta"].get<double>();
  plan.max_gradient_norm = json["max_gradient_norm"].get<double>();
  plan.cutoff_tokens = json["cutoff_tokens"].get<int>();
  plan.seed = json["seed"].get<uint64_t>();
  return plan;
}

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST_P(TrainOracleTest, LossesAndFinalWeightsAreThoseOfThePaddedPyTorchLoop) {
  const char* const root = std::getenv("RWKU_TRAIN_ORACLE");
  const std::filesystem::path folder = std::filesystem::path(root == nullptr ? "" : root);
  const absl::StatusOr<std::string> text = ReadFile(folder / (std::string(GetParam()) + ".json"));
  if (!text.ok()) {
    GTEST_SKIP() << "no oracle output at " << folder;
  }
  const Json expected = Json::parse(*text);
  absl::StatusOr<std::unique_ptr<CausalLm>> model =
      LoadCausalLm(folder / expected["model"].get<std::string>(), at::kCPU);
  ASSERT_TRUE(model.ok()) << model.status();
  const NumberTokenizer tokenizer(static_cast<int>((*model)->config().vocab_size),
                                  expected["eos"].get<int32_t>());
  const CancelToken cancel;
  const absl::StatusOr<TrainingReport> report =
      TrainModel(**model, tokenizer, PlanOf(expected), {}, cancel);
  ASSERT_TRUE(report.ok()) << report.status();

  const auto losses = expected["losses"].get<std::vector<double>>();
  const auto norms = expected["norms"].get<std::vector<double>>();
  const auto rates = expected["learning_rates"].get<std::vector<double>>();
  ASSERT_EQ(report->steps.size(), losses.size());
  double worst_loss = 0;
  double worst_norm = 0;
  int clipped = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    const TrainingStep& step = report->steps[i];
    EXPECT_NEAR(step.learning_rate, rates[i], 1e-12);
    worst_loss = std::max(worst_loss, std::abs(step.loss - losses[i]) / std::abs(losses[i]));
    worst_norm = std::max(worst_norm, std::abs(step.gradient_norm - norms[i]) / norms[i]);
    clipped += norms[i] > expected["max_gradient_norm"].get<double>() ? 1 : 0;
  }
  EXPECT_GT(clipped, 0) << "clipping was not at work";

  const absl::StatusOr<SafetensorsFile> final_weights =
      SafetensorsFile::Open(folder / (std::string(GetParam()) + ".safetensors"));
  ASSERT_TRUE(final_weights.ok()) << final_weights.status();
  std::vector<NamedTensor> trained = (*model)->NamedParameters();
  for (const auto& [name, linear] : (*model)->NamedLinears()) {
    if (linear->adapter.has_value()) {
      trained.emplace_back(name + ".lora_A", linear->adapter->a);
      trained.emplace_back(name + ".lora_B", linear->adapter->b);
    }
  }
  double worst_weight = 0;
  double moved = 0;
  size_t compared = 0;
  const absl::StatusOr<std::unique_ptr<CausalLm>> start =
      LoadCausalLm(folder / expected["model"].get<std::string>(), at::kCPU);
  for (const auto& [name, tensor] : trained) {
    if (final_weights->header().entries.count(name) == 0) {
      continue;
    }
    const absl::StatusOr<at::Tensor> other = final_weights->Get(name);
    ASSERT_TRUE(other.ok()) << other.status();
    worst_weight = std::max(worst_weight, LargestDifference(tensor, *other));
    ++compared;
  }
  EXPECT_EQ(compared, final_weights->header().entries.size());
  for (const auto& [name, tensor] : (*start)->NamedParameters()) {
    const auto same_name = std::find_if(trained.begin(), trained.end(),
                                        [&](const NamedTensor& t) { return t.first == name; });
    moved = std::max(moved, LargestDifference(tensor, same_name->second));
  }
  EXPECT_EQ(moved == 0, expected["lora"].get<bool>());
  std::cout << GetParam() << ": " << losses.size() << " steps, " << clipped
            << " clipped, loss off by " << worst_loss << " (relative), norm by " << worst_norm
            << " (relative), weights by " << worst_weight << " in " << compared << " tensors\n";
  EXPECT_LT(worst_loss, 1e-4);
  EXPECT_LT(worst_norm, 1e-3);
  EXPECT_LT(worst_weight, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Objectives, TrainOracleTest,
                         testing::Values("ga_full", "ga_lora", "npo_full", "npo_lora", "lm_full",
                                         "lm_lora"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace rwku::engine
