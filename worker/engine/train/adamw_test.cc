#include "worker/engine/train/adamw.h"

#include <set>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/weight_history.h"

namespace rwku::engine {
namespace {

constexpr double kRate = 1e-4;

AdamWOptions Options(bool on_host) {
  AdamWOptions options;
  options.max_gradient_norm = 0.5;
  options.on_host = on_host;
  return options;
}

// `parameter` after `steps` with random gradients, the same for every call.
AdamW Run(const at::Tensor& parameter, AdamWOptions options, const std::vector<at::Tensor>& steps) {
  AdamW optimizer({parameter}, options);
  for (const at::Tensor& gradient : steps) {
    parameter.mutable_grad() = gradient.to(parameter.scalar_type());
    optimizer.Step(kRate, optimizer.GradientNorm().item<double>());
  }
  return optimizer;
}

std::vector<at::Tensor> RandomGradients() {
  std::vector<at::Tensor> gradients;
  for (int i = 0; i < 5; ++i) {
    gradients.push_back(at::randn({7, 9}).to(at::kBFloat16));
  }
  return gradients;
}

TEST(AdamWTest, MastersOnTheHostGiveTheSameBits) {
  const std::vector<at::Tensor> gradients = RandomGradients();
  const at::Tensor start = at::randn({7, 9});
  const at::Tensor in_place = start.clone();
  const at::Tensor on_host = start.clone();
  const AdamW plain = Run(in_place, Options(/*on_host=*/false), gradients);
  const AdamW host = Run(on_host, Options(/*on_host=*/true), gradients);
  EXPECT_TRUE(at::equal(in_place, on_host));
  EXPECT_FALSE(at::equal(in_place, start));
  EXPECT_EQ(plain.StateBytes(), 2 * 63 * 4);
  EXPECT_EQ(host.StateBytes(), 3 * 63 * 4);
}

TEST(AdamWTest, ANarrowWeightIsItsMasterRounded) {
  const std::vector<at::Tensor> gradients = RandomGradients();
  const at::Tensor narrow = at::randn({7, 9}).to(at::kBFloat16);
  const at::Tensor wide = narrow.to(at::kFloat);
  const at::Tensor before = narrow.clone();
  const AdamW optimizer = Run(narrow, Options(/*on_host=*/false), gradients);
  Run(wide, Options(/*on_host=*/false), gradients);
  ASSERT_TRUE(optimizer.HasMaster(0));
  // The norms of both are of the same gradients, summed in another order.
  EXPECT_LT((optimizer.Master(0) - wide).abs().max().item<double>(), 1e-6);
  EXPECT_TRUE(at::equal(narrow, optimizer.Master(0).to(at::kBFloat16)));
  // Five steps of 1e-4 are less than bfloat16 shows of most numbers near 1, not of the master.
  const at::Tensor moved = optimizer.Master(0) - before.to(at::kFloat);
  EXPECT_GT(moved.abs().min().item<double>(), 0);
  EXPECT_EQ(optimizer.StateBytes(), 3 * 63 * 4);
}

ModelConfig TinyConfig() {
  ModelConfig config;
  config.hidden_size = 8;
  config.intermediate_size = 16;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 2;
  config.head_dim = 4;
  config.vocab_size = 11;
  return config;
}

TEST(WeightHistoryTest, TheNextTrainingGoesOnFromTheMastersOfTheLast) {
  const auto model = CausalLm::Random(TinyConfig(), 1, 0.1, at::kCPU, at::kBFloat16);
  std::vector<at::Tensor> original;
  for (const auto& [name, tensor] : model->NamedParameters()) {
    original.push_back(tensor.to(at::kFloat) * 1.0001);
  }
  WeightHistory history;
  const TrainableWeights weights(model.get(), TrainedWeights::kFull);
  {
    // The first begins with what the file holds, which is finer than the model's.
    AdamW first(weights.tensors(), {}, {}, TakeMasters(*model, weights, &original, &history));
    EXPECT_TRUE(at::equal(first.Master(0), original[0]));
    EXPECT_FALSE(first.Master(0).is_same(original[0]));
    const c10::AutoGradMode no_grad(false);
    first.Master(0).add_(1e-6);
    KeepMasters(weights, first, &history);
  }
  EXPECT_EQ(history.changed.size(), weights.named().size());
  const at::Tensor kept = history.masters.at(weights.named()[0].first);
  const AdamW second(weights.tensors(), {}, {}, TakeMasters(*model, weights, &original, &history));
  EXPECT_TRUE(second.Master(0).is_same(kept));
  EXPECT_TRUE(history.masters.empty());
}

TEST(WeightHistoryTest, MergedWeightsHaveNoMastersAndHaveChanged) {
  const auto model = CausalLm::Random(TinyConfig(), 1, 0.1, at::kCPU, at::kBFloat16);
  const std::string name = "model.layers.0.self_attn.q_proj.weight";
  WeightHistory history;
  history.masters[name] = at::randn({8, 8});
  model->layers[0].q_proj.adapter =
      LoraAdapter{at::randn({2, 8}), at::randn({8, 2}), /*scale=*/0.5};
  MergeAdapters(model.get(), &history);
  EXPECT_EQ(history.changed, std::set<std::string>{name});
  EXPECT_TRUE(history.masters.empty());
  EXPECT_FALSE(model->layers[0].q_proj.adapter.has_value());
}

}  // namespace
}  // namespace rwku::engine
