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

#include "base/random.h"
#include "worker/engine/memory/training_memory.h"
#include "worker/engine/train/adamw.h"
#include "worker/engine/train/corpus.h"
#include "worker/engine/train/lora.h"
#include "worker/engine/train/movement.h"
#include "worker/engine/train/number_tokenizer.h"
#include "worker/engine/train/objective.h"
#include "worker/engine/train/original.h"
#include "worker/engine/train/pack.h"
#include "worker/engine/train/pretrain.h"
#include "worker/engine/train/reference_nll_cache.h"
#include "worker/engine/train/retain_stream.h"
#include "worker/engine/train/schedule.h"
#include "worker/engine/train/sequence_objectives.h"
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

TrainingPlan PlanOf(Objective objective, double beta) {
  TrainingPlan plan;
  plan.objective = objective;
  plan.beta = beta;
  return plan;
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
  const auto texts =
      TokenizeTexts("texts", plan.texts, plan.cutoff_tokens, NumberTokenizer(32, kEos), 32);
  ASSERT_TRUE(texts.ok()) << texts.status();
  EXPECT_THAT((*texts)[0].tokens, ElementsAre(5, 4, 6, kEos));
  EXPECT_THAT((*texts)[1].tokens, ElementsAre(7, 8, 9, 10, 11));
  EXPECT_THAT((*texts)[2].tokens, ElementsAre(kEos));
  const LabelledPack pack = PackSequences({&(*texts)[0], &(*texts)[1], &(*texts)[2]}, at::kCPU);
  EXPECT_TRUE(at::equal(pack.positions, at::tensor(std::vector<int64_t>{1, 4, 5, 6, 7})));
  EXPECT_TRUE(at::equal(pack.targets, at::tensor(std::vector<int64_t>{6, 8, 9, 10, 11})));
  EXPECT_THAT(pack.ends, ElementsAre(1, 5, 5));
}

TEST(ObjectiveTest, NpoWeighsTheSumOfATextsNllNotItsMean) {
  const auto model = TinyModel();
  const auto texts = *TokenizeTexts("texts", Plan().texts, 512, NumberTokenizer(32, kEos), 32);
  const LabelledPack pack = PackSequences({&texts[0], &texts[2]}, at::kCPU);
  const at::Tensor sums = SequenceNll(*model, pack);
  const std::vector<double> nll(sums.const_data_ptr<double>(),
                                sums.const_data_ptr<double>() + sums.numel());
  EXPECT_GT(nll[0], 3 * 2.0);  // three labels of about log(32) each
  EXPECT_GT(nll[1], 5 * 2.0);
  const double beta = 0.2;
  double expected = 0;
  for (const double sum : nll) {
    expected += -(2 / beta) * -std::log1p(std::exp(-beta * (sum - 5.0))) / 2;
  }
  const TrainableWeights weights(model.get(), TrainedWeights::kFull);
  const at::Tensor loss = BackwardForget(*model, pack, PlanOf(Objective::kNpo, beta),
                                         {{5.0, 5.0}, {}, {}}, {}, {2, 8, 8, 1.0});
  EXPECT_NEAR(loss.item<double>(), expected, 1e-5);
}

TEST(ObjectiveTest, TheGradientThroughTheChunkedHeadIsThatOfTheLoss) {
  for (const bool tied : {true, false}) {
    const auto model = TinyModel(tied);
    const auto texts = *TokenizeTexts("texts", Plan().texts, 512, NumberTokenizer(32, kEos), 32);
    const LabelledPack pack = PackSequences({&texts[0], &texts[2]}, at::kCPU);
    const TrainableWeights weights(model.get(), TrainedWeights::kFull);
    BackwardForget(*model, pack, PlanOf(Objective::kCausalLm, 0), {}, {}, {2, 8, 8, 1.0});
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
  TrainingSequence long_text{{5}, {}};
  TrainingSequence short_text{{6}, {}};
  while (long_text.tokens.size() < 150) {
    long_text.tokens.push_back(static_cast<int32_t>(10 + long_text.tokens.size() * 37 % 8000));
  }
  while (short_text.tokens.size() < 10) {
    short_text.tokens.push_back(static_cast<int32_t>(9 + short_text.tokens.size()));
  }
  for (TrainingSequence* const text : {&long_text, &short_text}) {
    text->is_label.assign(text->tokens.size(), true);
    text->is_label[0] = false;
  }
  const LabelledPack pack = PackSequences({&long_text, &short_text}, at::kCPU);
  const std::vector<double> reference = {149 * 9.0 + 1, 9 * 9.0 - 1};
  const double beta = 0.1;
  const TrainableWeights weights(model.get(), TrainedWeights::kFull);
  BackwardForget(*model, pack, PlanOf(Objective::kNpo, beta), {reference, {}, {}}, {},
                 {2, 158, 158, 1.0});
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
  const TrainingSequence empty{{kEos}, {false}};
  const LabelledPack pack = PackSequences({&empty}, at::kCPU);
  const TrainableWeights weights(model.get(), TrainedWeights::kFull);
  for (const Objective objective : {Objective::kCausalLm, Objective::kNpo}) {
    const at::Tensor loss =
        BackwardForget(*model, pack, PlanOf(objective, 0.2), {{0}, {}, {}}, {}, {1, 0, 0, 1.0});
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

using RefusedCases = std::vector<std::pair<std::string, std::function<void(TrainingPlan&)>>>;

// Each change of a good plan is refused with a message that holds the text beside it.
void ExpectRefused(const RefusedCases& cases) {
  const auto model = TinyModel();
  for (const auto& [message, change] : cases) {
    TrainingPlan plan = Plan();
    change(plan);
    const auto report = Train(*model, plan);
    EXPECT_EQ(report.status().code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(std::string(report.status().message()), HasSubstr(message));
  }
}

TEST(TrainTest, BadPlansAreRefusedByTheirField) {
  const RefusedCases cases = {
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
      {"lora.target_modules \"query\"",
       [](TrainingPlan& p) {
         p.trained = TrainedWeights::kLora;
         p.lora.target_modules = {"query"};
       }},
  };
  ExpectRefused(cases);
}

TEST(TrainTest, PlansThatDoNotFitTheModelOrTheObjectiveAreRefusedByTheirField) {
  const RefusedCases cases = {
      {"layers is 1-3, the model has the layers 0-2",
       [](TrainingPlan& p) {
         p.layers = LayerRange{1, 3};
       }},
      {"layers is 1-1",
       [](TrainingPlan& p) {
         p.layers = LayerRange{1, 1};
       }},
      {"layer is 2, the model has 0 to 1",
       [](TrainingPlan& p) {
         p.objective = Objective::kRmu;
         p.strength = 1;
         p.layer = 2;
       }},
      {"none of them has a part in the output of layer 0",
       [](TrainingPlan& p) {
         p.objective = Objective::kRmu;
         p.strength = 1;
         p.layers = LayerRange{1, 2};
       }},
      {"pairs is empty", [](TrainingPlan& p) { p.objective = Objective::kDpo; }},
      {"pairs has 1, the objective needs texts or chats",
       [](TrainingPlan& p) {
         p.texts.clear();
         p.pairs = {{"5", "6", "7"}};
       }},
      {"only one of the three",
       [](TrainingPlan& p) {
         p.chats = {{"5", "6"}};
       }},
      {"retain.texts is empty", [](TrainingPlan& p) { p.retain.term = RetainTerm::kNll; }},
      {"retain.weight is -1",
       [](TrainingPlan& p) {
         p.retain = {RetainTerm::kNll, -1, {"5 6 7"}};
       }},
      {"retain.texts[0]: the tokenizer gives id 99",
       [](TrainingPlan& p) {
         p.retain = {RetainTerm::kNll, 1, {"5 99"}};
       }},
      {"forget_weight is 0", [](TrainingPlan& p) { p.forget_weight = 0; }},
      {"strength is 0", [](TrainingPlan& p) { p.objective = Objective::kRmu; }},
      {"lora.target_modules \"qkv_proj\"",
       [](TrainingPlan& p) {
         p.trained = TrainedWeights::kLora;
         p.lora.target_modules = {"qkv_proj"};
       }},
  };
  ExpectRefused(cases);
}

TEST(TrainTest, OnlyTheChosenLayersTrain) {
  const auto model = TinyModel();
  const std::vector<NamedTensor> before = Copy(model->NamedParameters());
  TrainingPlan plan = Plan();
  plan.layers = LayerRange{1, 2};
  ASSERT_TRUE(Train(*model, plan).ok());
  const std::vector<NamedTensor> after = model->NamedParameters();
  for (size_t i = 0; i < before.size(); ++i) {
    const bool is_chosen = before[i].first.find("model.layers.1.") == 0;
    EXPECT_EQ(at::equal(before[i].second, after[i].second), !is_chosen) << before[i].first;
  }
  plan.trained = TrainedWeights::kLora;
  ASSERT_TRUE(Train(*model, plan).ok());
  for (const auto& [name, linear] : model->NamedLinears()) {
    EXPECT_EQ(linear->adapter.has_value(), name == "model.layers.1.self_attn.q_proj" ||
                                               name == "model.layers.1.self_attn.v_proj");
  }
}

TEST(TrainTest, AdaptersOfAnEarlierTrainingAreMergedFirst) {
  const auto model = TinyModel();
  TrainingPlan plan = Plan();
  plan.trained = TrainedWeights::kLora;
  plan.learning_rate = 0.05;
  ASSERT_TRUE(Train(*model, plan).ok());
  const PackedSequences input = MakePacked({{5, 6, 7}}, at::kCPU);
  const at::Tensor adapted = model->Hidden(input).detach();
  const Linear& q_proj = model->layers[0].q_proj;
  ASSERT_TRUE(q_proj.adapter.has_value());
  MergeAdapters(model.get());
  EXPECT_FALSE(q_proj.adapter.has_value());
  EXPECT_LT((model->Hidden(input) - adapted).abs().max().item<double>(), 1e-5);
}

TEST(TrainTest, AnEpochsVerdictEndsTheTrainingWithItsSchedule) {
  const auto model = TinyModel();
  TrainingPlan plan = Plan();
  plan.epochs = 5;
  const CancelToken cancel;
  std::vector<int> epochs;
  const TrainingCallbacks callbacks{
      .on_step = nullptr, .on_epoch = [&](int epoch) -> absl::StatusOr<EpochVerdict> {
        epochs.push_back(epoch);
        return epoch == 2 ? EpochVerdict::kStop : EpochVerdict::kContinue;
      }};
  const auto report = TrainModel(*model, NumberTokenizer(32, kEos), plan, callbacks, cancel);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(epochs, ElementsAre(1, 2));
  EXPECT_EQ(report->epochs, 2);
  EXPECT_EQ(report->steps.size(), 6U);
  EXPECT_EQ(report->steps.back().total_steps, 15);
}

TEST(TrainTest, ASecondTrainingOverKnownTextsAsksTheOriginalNothing) {
  ReferenceNllCache cache;
  TrainingContext context;
  context.original.checksum = "abc";
  context.original.cache = &cache;
  const CancelToken cancel;
  TrainingPlan plan = Plan();
  plan.objective = Objective::kNpo;
  const auto train = [&](CausalLm& model, const TrainingContext& with) {
    return *TrainModel(model, NumberTokenizer(32, kEos), plan, {}, cancel, with);
  };
  const auto first = TinyModel();
  const TrainingReport fresh = train(*first, context);
  EXPECT_EQ(fresh.reference_texts_computed, 5);
  EXPECT_EQ(fresh.reference_texts_cached, 0);
  const auto second = TinyModel();
  const TrainingReport known = train(*second, context);
  EXPECT_EQ(known.reference_texts_computed, 0);
  EXPECT_EQ(known.reference_texts_cached, 5);
  const auto third = TinyModel();
  EXPECT_EQ(train(*third, {}).reference_texts_computed, 5);
  EXPECT_TRUE(at::equal(first->embedding, second->embedding));
  EXPECT_TRUE(at::equal(first->embedding, third->embedding));
  plan.texts.emplace_back("21 22");
  plan.learning_rate = 5e-3;
  EXPECT_EQ(train(*third, context).reference_texts_computed, 1);
}

TEST(TrainTest, TheReferenceIsTheOriginalWhateverTheModelHasBecome) {
  const auto original = TinyModel();
  std::vector<at::Tensor> kept;
  for (const auto& [name, tensor] : original->NamedParameters()) {
    kept.push_back(tensor.clone());
  }
  const auto model = TinyModel();
  WeightHistory history;
  TrainingContext context;
  context.history = &history;
  ASSERT_TRUE(
      TrainModel(*model, NumberTokenizer(32, kEos), Plan(), {}, CancelToken(), context).ok());
  EXPECT_EQ(history.changed.size(), kept.size());
  const at::Tensor present = model->embedding.clone();
  const auto texts = *TokenizeTexts("texts", Plan().texts, 512, NumberTokenizer(32, kEos), 32);
  const LabelledPack pack = PackSequences({&texts[0]}, at::kCPU);
  OriginalModel where;
  where.weights = &kept;
  {
    const OriginalWeightsScope scope(*model, where, history.changed);
    EXPECT_TRUE(at::equal(SequenceNll(*model, pack), SequenceNll(*original, pack)));
  }
  EXPECT_TRUE(at::equal(model->embedding, present));
  EXPECT_FALSE(at::equal(SequenceNll(*model, pack), SequenceNll(*original, pack)));
}

TEST(TrainTest, TooLittleMemorySplitsTheBatchAndThenRefuses) {
  TrainingPlan plan = Plan();
  plan.batch_size = 4;
  plan.epochs = 1;
  const CancelToken cancel;
  const auto whole = TinyModel();
  const auto all = TrainModel(*whole, NumberTokenizer(32, kEos), plan, {}, cancel);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->memory.micro_batch_texts, 4);
  EXPECT_GT(all->memory.available_bytes, 0);
  TrainingContext context;
  context.available_bytes = TotalBytes(all->memory) - all->memory.weight_bytes - 1;
  const auto parts = TinyModel();
  const auto split = TrainModel(*parts, NumberTokenizer(32, kEos), plan, {}, cancel, context);
  ASSERT_TRUE(split.ok()) << split.status();
  EXPECT_EQ(split->memory.micro_batch_texts, 2);
  for (size_t i = 0; i < all->steps.size(); ++i) {
    EXPECT_NEAR(split->steps[i].loss, all->steps[i].loss, 1e-5);
    EXPECT_NEAR(split->steps[i].gradient_norm, all->steps[i].gradient_norm, 1e-5);
  }
  context.available_bytes = 1000;
  EXPECT_EQ(
      TrainModel(*parts, NumberTokenizer(32, kEos), plan, {}, cancel, context).status().code(),
      absl::StatusCode::kResourceExhausted);
  // No repetition helps where nobody else holds the memory.
  context.device_bytes = 2000;
  EXPECT_EQ(
      TrainModel(*parts, NumberTokenizer(32, kEos), plan, {}, cancel, context).status().code(),
      absl::StatusCode::kInvalidArgument);
}

TEST(RetainStreamTest, EveryRoundVisitsEachTextOnceInAnOrderOfItsOwn) {
  RetainStream stream(42, 4);
  std::vector<int> seen = stream.Take(3);
  for (const int text : stream.Take(5)) {
    seen.push_back(text);
  }
  const uint64_t seed = Random(42, "retain").Next();
  std::vector<int> expected = EpochOrder(seed, 0, 4);
  for (const int text : EpochOrder(seed, 1, 4)) {
    expected.push_back(text);
  }
  EXPECT_EQ(seen, expected);
}

class MovementTest : public testing::Test {
 protected:
  // One update of all weights by the gradient of plain fine-tuning; `tamper` comes before the
  // update, `after` after it.
  absl::Status Update(const std::vector<int32_t>& tokens, double learning_rate,
                      const std::function<void()>& tamper, const std::function<void()>& after,
                      const TrainableChoice& choice = {}) {
    const TrainableWeights weights(model_.get(), choice);
    AdamW optimizer(weights.tensors(), {});
    MovementCheck check(*model_, weights, optimizer);
    TrainingSequence text{tokens, std::vector<bool>(tokens.size(), true)};
    text.is_label[0] = false;
    const auto labels = static_cast<int64_t>(tokens.size()) - 1;
    BackwardForget(*model_, PackSequences({&text}, at::kCPU), PlanOf(Objective::kCausalLm, 0), {},
                   {}, {1, labels, labels, 1.0});
    tamper();
    const auto norm = optimizer.GradientNorm().item<double>();
    EXPECT_TRUE(check.IsDue(learning_rate, norm));
    EXPECT_FALSE(check.IsDue(0, norm));
    if (const absl::Status status = check.Before(labels > 1); !status.ok()) {
      return status;
    }
    optimizer.Step(learning_rate, norm);
    after();
    return check.After(learning_rate);
  }

  const std::unique_ptr<CausalLm> model_ = TinyModel();
};

TEST_F(MovementTest, AnOrdinaryUpdatePasses) {
  EXPECT_EQ(Update(
                {5, 6, 7, 8}, 1e-3, [] {}, [] {}),
            absl::OkStatus());
}

TEST_F(MovementTest, ATrainedWeightWithoutAGradientIsNamed) {
  const absl::Status status = Update(
      {5, 6, 7, 8}, 1e-3, [&] { model_->layers[1].up_proj.weight.mutable_grad().zero_(); }, [] {});
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("model.layers.1.mlp.up_proj.weight: its gradient is exactly zero"));
}

TEST_F(MovementTest, ATrainedWeightThatStaysIsNamed) {
  const at::Tensor kept = model_->layers[0].o_proj.weight.clone();
  const absl::Status status = Update(
      {5, 6, 7, 8}, 1e-3, [] {}, [&] { model_->layers[0].o_proj.weight.detach().copy_(kept); });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("o_proj.weight: it did not move"));
}

TEST_F(MovementTest, AFrozenWeightThatMovesIsNamed) {
  const absl::Status status = Update(
      {5, 6, 7, 8}, 1e-3, [] {}, [&] { model_->final_norm.detach().add_(1e-3); },
      {TrainedWeights::kFull, LayerRange{0, 1}, std::nullopt});
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("model.norm.weight: it changed"));
}

TEST_F(MovementTest, AnUpdateThatFloat32RoundsAwayIsNoError) {
  EXPECT_EQ(Update(
                {5, 6, 7, 8}, 1e-12, [] {}, [] {}),
            absl::OkStatus());
}

TEST_F(MovementTest, AttentionToASingleTokenNeedsNoQueriesAndKeys) {
  EXPECT_EQ(Update(
                {5, 6}, 1e-3, [] {}, [] {}),
            absl::OkStatus());
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
