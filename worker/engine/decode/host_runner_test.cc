#include "worker/engine/decode/host_runner.h"

#include <memory>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "worker/engine/decode/kernel_builds.h"
#include "worker/engine/decode/tiny_model_fixture.h"

namespace rwku::engine {
namespace {

// Large enough that every loop of a pass is shared.
ModelConfig Config() {
  ModelConfig config;
  config.hidden_size = 96;
  config.intermediate_size = 176;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 6;
  config.num_key_value_heads = 2;
  config.head_dim = 24;
  config.vocab_size = 1100;
  config.sliding_window = 50;
  return config;
}

void RoundToBfloat16(CausalLm& model) {
  const at::AutoGradMode no_grad(false);
  for (auto& [name, parameter] : model.NamedParameters()) {
    parameter.copy_(parameter.to(at::kBFloat16));
  }
}

std::vector<int32_t> Tokens(uint64_t seed, int count) {
  Random random(seed);
  std::vector<int32_t> tokens;
  for (int i = 0; i < count; ++i) {
    tokens.push_back(static_cast<int32_t>(random.Below(1100)));
  }
  return tokens;
}

struct Answers {
  std::vector<float> hidden;
  std::vector<float> logits;
  std::vector<int32_t> likely;
  std::vector<TokenScore> scores;

  friend bool operator==(const Answers&, const Answers&) = default;
};

// Two sequences of several blocks of rows and of several attention tasks, then single tokens.
Answers Ask(Runner& runner) {
  const CancelToken never;
  const std::vector<int32_t> first = Tokens(1, 150);
  const std::vector<int32_t> second = Tokens(2, 70);
  const auto a = runner.NewCache(160);
  const auto b = runner.NewCache(160);
  Answers answers;
  const std::vector<std::vector<CachePiece>> steps = {
      {{a.get(), first, 20}, {b.get(), second, 69}},
      {{b.get(), absl::MakeConstSpan(first).first(1), 0}},
      {{a.get(), absl::MakeConstSpan(second).first(1), 0},
       {b.get(), absl::MakeConstSpan(second).first(3), 0}}};
  for (const std::vector<CachePiece>& step : steps) {
    const auto rows = *runner.Forward(step, never);
    const std::vector<RowRef> refs = AllOf(*rows);
    const std::vector<float> hidden = runner.ToHost(*rows);
    const std::vector<float> logits = runner.Logits(refs);
    const std::vector<int32_t> likely = runner.Argmax(refs);
    std::vector<ScoredRow> scored;
    for (const RowRef& ref : refs) {
      scored.push_back({ref, absl::MakeConstSpan(second).first(2)});
    }
    const std::vector<TokenScore> scores = runner.Score(scored);
    answers.hidden.insert(answers.hidden.end(), hidden.begin(), hidden.end());
    answers.logits.insert(answers.logits.end(), logits.begin(), logits.end());
    answers.likely.insert(answers.likely.end(), likely.begin(), likely.end());
    answers.scores.insert(answers.scores.end(), scores.begin(), scores.end());
  }
  return answers;
}

TEST(HostRunnerTest, NoBitDependsOnTheNumberOfThreads) {
  const auto model = CausalLm::Random(Config(), 3, 0.1);
  for (const PanelFormat panels : {PanelFormat::kExact, PanelFormat::kBfloat16}) {
    for (const Kernels* const kernels : SupportedKernels()) {
      HostRunner alone(*model, {}, {1, panels, kernels});
      const Answers expected = Ask(alone);
      for (const int threads : {2, 3, 5}) {
        HostRunner runner(*model, {}, {threads, panels, kernels});
        EXPECT_TRUE(Ask(runner) == expected) << kernels->name << ", " << threads << " threads";
      }
    }
  }
}

TEST(HostRunnerTest, WeightsThatAreBfloat16TakeHalfTheBytesAndLoseNothing) {
  const auto model = CausalLm::Random(Config(), 3, 0.1);
  HostRunner whole(*model);
  HostRunner rounding(*model, {}, {0, PanelFormat::kBfloat16});
  EXPECT_EQ(rounding.PanelBytes() * 2, whole.PanelBytes());
  EXPECT_NE(Ask(rounding).hidden, Ask(whole).hidden);

  RoundToBfloat16(*model);
  HostRunner exact(*model);
  EXPECT_EQ(exact.PanelBytes(), rounding.PanelBytes());
  HostRunner same(*model, {}, {0, PanelFormat::kBfloat16});
  EXPECT_TRUE(Ask(exact) == Ask(same));
  const std::vector<int32_t> tokens = Tokens(1, 150);
  const at::Tensor hidden =
      model->Hidden(MakePacked(std::vector<std::vector<int32_t>>{tokens}, at::kCPU));
  const auto cache = exact.NewCache(150);
  const std::vector<float> found = HiddenAfter(exact, *cache, tokens, 0);
  for (int64_t i = 0; i < hidden.numel(); ++i) {
    ASSERT_NEAR(found[i], hidden.const_data_ptr<float>()[i], 2e-4) << i;
  }
}

TEST(HostRunnerTest, OneWeightThatTrainedKeepsItsPanelsExact) {
  const auto model = CausalLm::Random(Config(), 3, 0.1);
  RoundToBfloat16(*model);
  const int64_t before = HostRunner(*model).PanelBytes();
  const at::Tensor weight = model->layers[1].k_proj.weight;
  {
    const at::AutoGradMode no_grad(false);
    weight.mul_(1.001);
  }
  // q_proj, k_proj and v_proj are one weight of (6 + 2 + 2) * 24 columns, padded to 256.
  EXPECT_EQ(HostRunner(*model).PanelBytes() - before, int64_t{256} * 96 * 2);
}

}  // namespace
}  // namespace rwku::engine
