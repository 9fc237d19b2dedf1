#include "worker/engine/train/train.h"

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/train/corpus.h"
#include "worker/engine/train/lora.h"
#include "worker/engine/train/number_tokenizer.h"
#include "worker/engine/train/objective.h"
#include "worker/engine/train/pretrain.h"
#include "worker/engine/train/schedule.h"
#include "worker/engine/train/token_loss.h"
#include "worker/engine/train/trainable.h"

namespace rwku::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int32_t kEos = 4;

std::unique_ptr<CausalLm> TinyModel(bool tied = true) {
  ModelConfig config;
  config.hidden_size = 16;
  config.intermediate_size = 40;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 4;
  config.vocab_size = 32;
  config.tie_word_embeddings = tied;
  return CausalLm::Random(config, /*seed=*/1, /*std=*/0.1);
}

TrainingPlan Plan() {
  TrainingPlan plan;
  plan.texts = {"5 6 7 8", "9 10", "11 12 13 14 15 16", "17", "18 19 20"};
  plan.learning_rate = 1e-3;
  plan.warmup_steps = 0;
  plan.batch_size = 2;
  plan.epochs = 2;
  plan.beta = 0.2;
  return plan;
}

absl::StatusOr<TrainingReport> Train(
    CausalLm& model, const TrainingPlan& plan,
    const std::function<void(const TrainingStep&)>& on_step = nullptr) {
  const CancelToken cancel;
  return TrainModel(model, NumberTokenizer(32, kEos), plan,
                    {.on_step = on_step, .on_epoch = nullptr}, cancel);
}

std::vector<NamedTensor> Copy(const std::vector<NamedTensor>& tensors) {
  std::vector<NamedTensor> copies;
  copies.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    copies.emplace_back(name, tensor.detach().clone());
  }
  return copies;
}

TEST(ScheduleTest, RisesLinearlyAndFallsAsTransformersSays) {
  struct Case {
    int step, warmup, total;
    double factor;
  };
  // transformers.get_cosine_schedule_with_warmup(...).lr_lambdas[0](step - 1)
  const std::vector<Case> cases = {
      {1, 2, 10, 0},
      {2, 2, 10, 0.5},
      {3, 2, 10, 1},
      {5, 2, 10, 0.8535533905932737},
      {7, 2, 10, 0.5},
      {10, 2, 10, 0.03806023374435663},
      {11, 2, 10, 0},
      {1, 0, 4, 1},
      {4, 0, 4, 0.14644660940672627},
      {15, 20, 15, 0.7},
  };
  for (const Case& c : cases) {
    EXPECT_NEAR(CosineWithWarmup(c.step, c.warmup, c.total), c.factor, 1e-12) << c.step;
  }
}

TEST(ScheduleTest, PretrainingWarmsUpAndEndsAtItsFloor) {
  EXPECT_NEAR(WarmupTimesCosine(1, 80, 2000, 0.02), 1.0 / 80, 1e-4);
  EXPECT_NEAR(WarmupTimesCosine(1000, 80, 2000, 0.02), 0.51, 1e-12);
  EXPECT_NEAR(WarmupTimesCosine(2000, 80, 2000, 0.02), 0.02, 1e-12);
}

TEST(CorpusTest, TheFinalEosAndEveryOtherIsReadButNeverLearned) {
  TrainingPlan plan = Plan();
  plan.texts = {"5 4 6", "7 8 9 10 11 12", ""};
  plan.cutoff_tokens = 5;
  const auto texts = TokenizeTexts(plan, NumberTokenizer(32, kEos), 32);
  ASSERT_TRUE(texts.ok()) << texts.status();
  EXPECT_THAT((*texts)[0].tokens, ElementsAre(5, 4, 6, kEos));
  EXPECT_THAT((*texts)[1].tokens, ElementsAre(7, 8, 9, 10, 11));
  EXPECT_THAT((*texts)[2].tokens, ElementsAre(kEos));
  const LabelledPack pack = PackTexts({&(*texts)[0], &(*texts)[1], &(*texts)[2]}, kEos, at::kCPU);
  EXPECT_TRUE(at::equal(pack.positions, at::tensor(std::vector<int64_t>{1, 4, 5, 6, 7})));
  EXPECT_TRUE(at::equal(pack.targets, at::tensor(std::vector<int64_t>{6, 8, 9, 10, 11})));
  EXPECT_THAT(pack.text_ends, ElementsAre(1, 5, 5));
}

TEST(ObjectiveTest, NpoWeighsTheSumOfATextsNllNotItsMean) {
  const auto model = TinyModel();
  const auto texts = *TokenizeTexts(Plan(), NumberTokenizer(32, kEos), 32);
  const LabelledPack pack = PackTexts({&texts[0], &texts[2]}, kEos, at::kCPU);
  const std::vector<double> nll = TextNll(*model, pack);
  EXPECT_GT(nll[0], 3 * 2.0);  // three labels of about log(32) each
  EXPECT_GT(nll[1], 5 * 2.0);
  const double beta = 0.2;
  double expected = 0;
  for (const double sum : nll) {
    expected += -(2 / beta) * -std::log1p(std::exp(-beta * (sum - 5.0))) / 2;
  }
  const TrainableWeights weights(model.get(), TrainedWeights::kFull);
  const at::Tensor loss =
      BackwardPack(*model, pack, Objective::kNpo, beta, {5.0, 5.0}, {2, 8, 1.0});
  EXPECT_NEAR(loss.item<double>(), expected, 1e-5);
}

TEST(ObjectiveTest, TheGradientThroughTheChunkedHeadIsThatOfTheLoss) {
  for (const bool tied : {true, false}) {
    const auto model = TinyModel(tied);
    const auto texts = *TokenizeTexts(Plan(), NumberTokenizer(32, kEos), 32);
    const LabelledPack pack = PackTexts({&texts[0], &texts[2]}, kEos, at::kCPU);
    const TrainableWeights weights(model.get(), TrainedWeights::kFull);
    BackwardPack(*model, pack, Objective::kCausalLm, 0, {0, 0}, {2, 8, 1.0});
    const std::vector<NamedTensor> parameters = model->NamedParameters();
    std::vector<at::Tensor> ours;
    for (const auto& [name, tensor] : parameters) {
      ours.push_back(tensor.grad().clone());
      tensor.mutable_grad().reset();
    }
    const at::Tensor hidden = model->Hidden(pack.input).index_select(0, pack.positions);
    const at::Tensor log_p = model->Logits(hidden).log_softmax(-1);
    (-log_p.gather(-1, pack.targets.unsqueeze(-1)).mean()).backward();
    for (size_t i = 0; i < ours.size(); ++i) {
      EXPECT_LT((ours[i] - parameters[i].second.grad()).abs().max().item<double>(), 1e-6)
          << parameters[i].first << (tied ? " tied" : " untied");
    }
  }
}

TEST(ObjectiveTest, TheGradientOfNpoOverSeveralChunksOfATextIsThatOfTheLoss) {
  ModelConfig config;
  config.hidden_size = 16;
  config.intermediate_size = 16;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 2;
  config.head_dim = 8;
  config.vocab_size = 8192;  // 64 rows a chunk
  const auto model = CausalLm::Random(config, 3, 0.1);
  TrainingText long_text{{5}, 149};
  TrainingText short_text{{6}, 9};
  while (long_text.tokens.size() < 150) {
    long_text.tokens.push_back(static_cast<int32_t>(10 + long_text.tokens.size() * 37 % 8000));
  }
  while (short_text.tokens.size() < 10) {
    short_text.tokens.push_back(static_cast<int32_t>(9 + short_text.tokens.size()));
  }
  const LabelledPack pack = PackTexts({&long_text, &short_text}, kEos, at::kCPU);
  const std::vector<double> reference = {149 * 9.0 + 1, 9 * 9.0 - 1};
  const double beta = 0.1;
  const TrainableWeights weights(model.get(), TrainedWeights::kFull);
  BackwardPack(*model, pack, Objective::kNpo, beta, reference, {2, 158, 1.0});
  const std::vector<NamedTensor> parameters = model->NamedParameters();
  std::vector<at::Tensor> ours;
  for (const auto& [name, tensor] : parameters) {
    ours.push_back(tensor.grad().clone());
    tensor.mutable_grad().reset();
  }
  const at::Tensor hidden = model->Hidden(pack.input).index_select(0, pack.positions);
  const at::Tensor nll =
      -model->Logits(hidden).log_softmax(-1).gather(-1, pack.targets.unsqueeze(-1)).squeeze(-1);
  const auto text_loss = [&](int64_t begin, int64_t end, double reference_nll) {
    return at::log_sigmoid((nll.slice(0, begin, end).sum() - reference_nll) * beta) *
           (-2 / beta / 2);
  };
  (text_loss(0, 149, reference[0]) + text_loss(149, 158, reference[1])).backward();
  for (size_t i = 0; i < ours.size(); ++i) {
    const at::Tensor& theirs = parameters[i].second.grad();
    EXPECT_LT((ours[i] - theirs).abs().max().item<double>(),
              1e-4 * theirs.abs().max().item<double>() + 1e-7)
        << parameters[i].first;
  }
}

TEST(ObjectiveTest, AnEmptyTextCarriesNoGradient) {
  const auto model = TinyModel();
  const TrainingText empty{{kEos}, 0};
  const LabelledPack pack = PackTexts({&empty}, kEos, at::kCPU);
  const TrainableWeights weights(model.get(), TrainedWeights::kFull);
  for (const Objective objective : {Objective::kCausalLm, Objective::kNpo}) {
    const at::Tensor loss = BackwardPack(*model, pack, objective, 0.2, {0}, {1, 0, 1.0});
    EXPECT_TRUE(std::isfinite(loss.item<double>()));
    EXPECT_FALSE(weights.tensors().front().grad().defined());
  }
}

TEST(TrainTest, AfterAStepEveryTrainedWeightMovedAndNoOther) {
  for (const TrainedWeights trained : {TrainedWeights::kFull, TrainedWeights::kLora}) {
    const auto model = TinyModel();
    const std::vector<NamedTensor> before = Copy(model->NamedParameters());
    TrainingPlan plan = Plan();
    plan.trained = trained;
    plan.objective = Objective::kGradientAscent;
    plan.epochs = 1;
    plan.batch_size = 5;
    const auto report = Train(*model, plan);
    ASSERT_TRUE(report.ok()) << report.status();
    ASSERT_EQ(report->steps.size(), 1U);
    const std::vector<NamedTensor> after = model->NamedParameters();
    for (size_t i = 0; i < before.size(); ++i) {
      EXPECT_EQ(at::equal(before[i].second, after[i].second), trained == TrainedWeights::kLora)
          << before[i].first;
      EXPECT_FALSE(after[i].second.requires_grad());
    }
    for (const auto& [name, linear] : model->NamedLinears()) {
      const bool target =
          trained == TrainedWeights::kLora &&
          (name.find("q_proj") != std::string::npos || name.find("v_proj") != std::string::npos);
      ASSERT_EQ(linear->adapter.has_value(), target) << name;
      if (target) {
        EXPECT_GT(linear->adapter->b.abs().max().item<double>(), 0) << name;
      }
    }
  }
}

TEST(TrainTest, PartsOfABatchGiveTheGradientOfTheWhole) {
  for (const Objective objective :
       {Objective::kCausalLm, Objective::kGradientAscent, Objective::kNpo}) {
    std::vector<TrainingReport> reports;
    for (const int parts : {1, 2, 4}) {
      const auto model = TinyModel();
      TrainingPlan plan = Plan();
      plan.objective = objective;
      plan.batch_size = 5;
      plan.micro_batch_parts = parts;
      const auto report = Train(*model, plan);
      ASSERT_TRUE(report.ok()) << report.status();
      reports.push_back(*report);
    }
    for (size_t i = 1; i < reports.size(); ++i) {
      EXPECT_NEAR(reports[i].steps[0].gradient_norm, reports[0].steps[0].gradient_norm, 1e-6);
      EXPECT_NEAR(reports[i].steps[1].loss, reports[0].steps[1].loss, 1e-5);
    }
  }
}

TEST(TrainTest, EqualPlansGiveEqualWeightsBitForBit) {
  const auto first = TinyModel();
  const auto second = TinyModel();
  ASSERT_TRUE(Train(*first, Plan()).ok());
  ASSERT_TRUE(Train(*second, Plan()).ok());
  EXPECT_TRUE(at::equal(first->embedding, second->embedding));
}

TEST(TrainTest, ALastGroupOfBatchesMakesAStepOfItsOwn) {
  const auto model = TinyModel();
  TrainingPlan plan = Plan();
  plan.accumulation = 2;  // 5 texts: batches of 2, 2, 1; groups of 2 and 1; two epochs
  std::vector<int> seen;
  const auto report =
      Train(*model, plan, [&](const TrainingStep& step) { seen.push_back(step.step); });
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(seen, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(report->steps.back().total_steps, 4);
  EXPECT_EQ(report->tokens_per_epoch, 16 + 5);
}

TEST(TrainTest, CancellingStopsBetweenSteps) {
  const auto model = TinyModel();
  CancelToken cancel;
  int steps = 0;
  const auto report = TrainModel(*model, NumberTokenizer(32, kEos), Plan(),
                                 {.on_step =
                                      [&](const TrainingStep&) {
                                        if (++steps == 2) {
                                          cancel.Cancel(absl::CancelledError("revoked"));
                                        }
                                      },
                                  .on_epoch = nullptr},
                                 cancel);
  EXPECT_EQ(report.status(), absl::CancelledError("revoked"));
  EXPECT_EQ(steps, 2);
  EXPECT_FALSE(model->embedding.requires_grad());
}

TEST(TrainTest, ALossThatIsNoNumberNamesTheStepAndTheLastGoodLoss) {
  const auto model = TinyModel();
  const auto report = Train(*model, Plan(), [&](const TrainingStep& step) {
    if (step.step == 2) {
      model->final_norm.detach().fill_(std::numeric_limits<float>::quiet_NaN());
    }
  });
  EXPECT_EQ(report.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("step 3 of 6: the loss is nan"));
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("the last good loss was"));
}

TEST(TrainTest, BadPlansAreRefusedByTheirField) {
  const auto model = TinyModel();
  const std::vector<std::pair<std::string, std::function<void(TrainingPlan&)>>> cases = {
      {"texts is empty", [](TrainingPlan& p) { p.texts.clear(); }},
      {"texts: 2 given",
       [](TrainingPlan& p) {
         p.texts = {"", "4 4"};
       }},
      {"texts[1]: the tokenizer gives id 32", [](TrainingPlan& p) { p.texts[1] = "32"; }},
      {"learning_rate is 0", [](TrainingPlan& p) { p.learning_rate = 0; }},
      {"batch_size is 0", [](TrainingPlan& p) { p.batch_size = 0; }},
      {"accumulation is -1", [](TrainingPlan& p) { p.accumulation = -1; }},
      {"epochs is 0", [](TrainingPlan& p) { p.epochs = 0; }},
      {"warmup_steps is -1", [](TrainingPlan& p) { p.warmup_steps = -1; }},
      {"cutoff_tokens is 1", [](TrainingPlan& p) { p.cutoff_tokens = 1; }},
      {"micro_batch_parts is 3", [](TrainingPlan& p) { p.micro_batch_parts = 3; }},
      {"max_gradient_norm is nan", [](TrainingPlan& p) { p.max_gradient_norm = std::nan(""); }},
      {"beta is 0",
       [](TrainingPlan& p) {
         p.objective = Objective::kNpo;
         p.beta = 0;
       }},
      {"lora.rank is 0",
       [](TrainingPlan& p) {
         p.trained = TrainedWeights::kLora;
         p.lora.rank = 0;
       }},
      {"q_proj",
       [](TrainingPlan& p) {
         p.trained = TrainedWeights::kLora;
         p.lora.target_modules = {"query"};
       }},
  };
  for (const auto& [message, change] : cases) {
    TrainingPlan plan = Plan();
    change(plan);
    const auto report = Train(*model, plan);
    EXPECT_EQ(report.status().code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(std::string(report.status().message()), HasSubstr(message));
  }
}

TEST(PretrainerTest, AModelLearnsItsRowsAndOnlyWhatIsWeighted) {
  const auto model = TinyModel();
  PretrainOptions options;
  options.learning_rate = 1e-2;
  options.warmup_steps = 5;
  options.total_steps = 60;
  const std::vector<PretrainRow> rows = {{{0, 5, 6, 7, 8, 9}, {0, 0, 4, 4, 1, 1}},
                                         {{0, 10, 11, 12}, {0, 0, 1, 1}}};
  Pretrainer pretrainer(model.get(), options);
  double first = 0;
  double last = 0;
  for (int i = 0; i < options.total_steps; ++i) {
    const absl::StatusOr<double> loss = pretrainer.Step(rows);
    ASSERT_TRUE(loss.ok()) << loss.status();
    first = i == 0 ? *loss : first;
    last = *loss;
  }
  EXPECT_NEAR(first, std::log(32.0), 0.5);
  EXPECT_LT(last, 0.5);
  EXPECT_EQ(pretrainer.Step({}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(pretrainer.Step({{{1, 2}, {1}}}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(pretrainer.Step({{{1, 99}, {1, 1}}}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rwku::engine
