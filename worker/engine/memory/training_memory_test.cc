#include "worker/engine/memory/training_memory.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/memory/model_size.h"
#include "worker/engine/memory/testing_model_shapes.h"

namespace rwku::engine {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMiB = int64_t{1} << 20;

// What nvidia-smi gives as the memory of cards of that name.
constexpr int64_t kL4 = 23'034 * kMiB;
constexpr int64_t kA100Of40 = 40'536 * kMiB;
constexpr int64_t kH100 = 81'559 * kMiB;
constexpr int64_t kH200 = 143'771 * kMiB;

TrainingPlan Plan(Objective objective, TrainedWeights trained = TrainedWeights::kFull,
                  int batch_size = 8) {
  TrainingPlan plan;
  plan.objective = objective;
  plan.trained = trained;
  plan.batch_size = batch_size;
  return plan;
}

TrainingFacts SmallFacts() {
  TrainingFacts facts;
  facts.config = TestingShape("llama", 128, 384, 4, 4, 2, 2048, false);
  facts.item_tokens = {10, 20, 30, 40, 50, 60, 70, 80, 90, 100};
  return facts;
}

int64_t Needed(const MemoryPlan& plan) { return TotalBytes(plan) - plan.weight_bytes; }

TEST(TrainingMemoryTest, UnknownMemoryTakesTheWholeBatchOfTheLongestItems) {
  const TrainingFacts facts = SmallFacts();
  const auto chosen = PlanTrainingMemory(Plan(Objective::kCausalLm), facts);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  const int64_t parameters = facts.config.ParameterCount();
  EXPECT_EQ(chosen->parts, 1);
  EXPECT_EQ(chosen->plan.weight_bytes, 4 * parameters);
  EXPECT_EQ(chosen->plan.gradient_bytes, 4 * parameters);
  EXPECT_EQ(chosen->plan.optimizer_bytes, 8 * parameters);
  EXPECT_EQ(chosen->plan.micro_batch_texts, 8);
  EXPECT_EQ(chosen->plan.micro_batch_tokens, 30 + 40 + 50 + 60 + 70 + 80 + 90 + 100);
  EXPECT_EQ(chosen->plan.logit_bytes, 128 * 2048 * 4);
  EXPECT_EQ(chosen->plan.workspace_bytes, 2048 * 128 * 4);
}

TEST(TrainingMemoryTest, TakesTheFewestPartsThatFit) {
  TrainingFacts facts = SmallFacts();
  TrainingPlan plan = Plan(Objective::kCausalLm);
  for (const int parts : {1, 2, 4, 8}) {
    plan.micro_batch_parts = parts;
    facts.available_bytes = 0;
    const int64_t needed = Needed(PlanTrainingMemory(plan, facts)->plan);
    plan.micro_batch_parts = 1;
    facts.available_bytes = needed;
    EXPECT_EQ(PlanTrainingMemory(plan, facts)->parts, parts);
    facts.available_bytes = needed - 1;
    const auto less = PlanTrainingMemory(plan, facts);
    if (parts == 8) {
      EXPECT_EQ(less.status().code(), absl::StatusCode::kResourceExhausted);
    } else {
      EXPECT_EQ(less->parts, 2 * parts);
    }
  }
}

TEST(TrainingMemoryTest, TheLongestRetainTextsCount) {
  TrainingFacts facts = SmallFacts();
  facts.retain_tokens = {500, 500, 1};
  TrainingPlan plan = Plan(Objective::kGradientAscent);
  plan.retain.term = RetainTerm::kNll;
  EXPECT_EQ(PlanTrainingMemory(plan, facts)->plan.micro_batch_tokens, 1001);
}

TEST(TrainingMemoryTest, RefusesForGoodWhatAnEmptyDeviceCannotHold) {
  TrainingFacts facts = SmallFacts();
  const TrainingPlan plan = Plan(Objective::kCausalLm);
  facts.available_bytes = 5999;
  // Others may hold what is missing, or nobody knows.
  for (const int64_t device : {int64_t{0}, int64_t{1} << 30}) {
    facts.device_bytes = device;
    const absl::Status status = PlanTrainingMemory(plan, facts).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("the device has 5999 left"));
  }
  facts.device_bytes = 10000;
  const absl::Status status = PlanTrainingMemory(plan, facts).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  const int64_t parameters = facts.config.ParameterCount();
  for (const std::string& part :
       {std::string("100 tokens"), "gradients " + std::to_string(4 * parameters),
        "optimizer " + std::to_string(8 * parameters), std::string("activations "),
        std::string("logits "), std::string("workspace "),
        std::to_string(4 * parameters) + " of the weights", std::string("it has 10000")}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

TEST(TrainingMemoryTest, FrozenLayersBelowKeepNothingAndThoseAboveLess) {
  TrainingFacts facts = SmallFacts();
  TrainingPlan plan = Plan(Objective::kCausalLm);
  const int64_t all = TokenActivationBytes(plan, facts);
  plan.layers = LayerRange{2, 4};
  EXPECT_EQ(TokenActivationBytes(plan, facts), all / 2);
  plan.layers = LayerRange{0, 2};
  EXPECT_LT(TokenActivationBytes(plan, facts), all);
  EXPECT_GT(TokenActivationBytes(plan, facts), all / 2);
}

TEST(TrainingMemoryTest, ALossOfALayerEndsThere) {
  TrainingFacts facts = SmallFacts();
  TrainingPlan plan = Plan(Objective::kRmu);
  plan.retain.term = RetainTerm::kHidden;
  plan.layer = 0;
  const int64_t all = TokenActivationBytes(Plan(Objective::kCausalLm), facts);
  EXPECT_EQ(TokenActivationBytes(plan, facts), all / 4);
  EXPECT_EQ(PlanTrainingMemory(plan, facts)->plan.logit_bytes, 0);
  plan.retain.term = RetainTerm::kKl;
  EXPECT_EQ(TokenActivationBytes(plan, facts), all);
}

TEST(TrainingMemoryTest, NarrowWeightsWithAndWithoutSharesAndTheHost) {
  TrainingFacts facts = SmallFacts();
  facts.compute_bytes = 2;
  TrainingPlan plan = Plan(Objective::kCausalLm);
  const int64_t parameters = facts.config.ParameterCount();
  MemoryPlan needs = PlanTrainingMemory(plan, facts)->plan;
  EXPECT_EQ(needs.weight_bytes, 2 * parameters);
  EXPECT_EQ(needs.gradient_bytes, 2 * parameters);
  EXPECT_EQ(needs.optimizer_bytes, 12 * parameters);
  facts.optimizer_on_host = true;
  EXPECT_EQ(PlanTrainingMemory(plan, facts)->plan.optimizer_bytes, 0);
  facts.optimizer_on_host = false;
  facts.ranks = 4;
  EXPECT_EQ(PlanTrainingMemory(plan, facts)->plan.optimizer_bytes, 12 * parameters);
  plan.shard_optimizer_state = true;
  needs = PlanTrainingMemory(plan, facts)->plan;
  EXPECT_EQ(needs.weight_bytes, 2 * parameters);
  EXPECT_EQ(needs.gradient_bytes, (2 * parameters + 3) / 4);
  EXPECT_EQ(needs.optimizer_bytes, 3 * parameters);
  EXPECT_EQ(needs.micro_batch_texts, 2);
  // Adapters are float32 and the base has no state.
  plan = Plan(Objective::kCausalLm, TrainedWeights::kLora);
  facts.ranks = 1;
  needs = PlanTrainingMemory(plan, facts)->plan;
  const int64_t adapters = SizeOf(plan, facts.config).adapters;
  EXPECT_EQ(adapters, 4 * 8 * (128 + 128 + 128 + 64));
  EXPECT_EQ(needs.weight_bytes, 2 * parameters + 4 * adapters);
  EXPECT_EQ(needs.gradient_bytes, 4 * adapters);
  EXPECT_EQ(needs.optimizer_bytes, 8 * adapters);
}

TEST(TrainingMemoryTest, TheHostNeedsRoomForItsPart) {
  TrainingFacts facts = SmallFacts();
  facts.on_gpu = true;
  facts.compute_bytes = 2;
  facts.optimizer_on_host = true;
  const int64_t needed = 12 * facts.config.ParameterCount();
  const TrainingPlan plan = Plan(Objective::kCausalLm);
  facts.host_available_bytes = needed;
  EXPECT_TRUE(PlanTrainingMemory(plan, facts).ok());
  facts.host_available_bytes = needed - 1;
  EXPECT_EQ(PlanTrainingMemory(plan, facts).status().code(), absl::StatusCode::kResourceExhausted);
  facts.host_bytes = needed - 1;
  EXPECT_EQ(PlanTrainingMemory(plan, facts).status().code(), absl::StatusCode::kInvalidArgument);
  facts.optimizer_on_host = false;
  EXPECT_TRUE(PlanTrainingMemory(plan, facts).ok());
}

TEST(TrainingMemoryTest, TheOriginalsHeadIsKeptWhereTheHeadTrains) {
  TrainingFacts facts = SmallFacts();
  const int64_t head = 4 * 2048 * 128;
  TrainingPlan plan = Plan(Objective::kUndial);
  const int64_t weights = 4 * facts.config.ParameterCount();
  EXPECT_EQ(ResidentTrainingBytes(plan, facts), weights + head);
  plan.layers = LayerRange{0, 1};
  EXPECT_EQ(ResidentTrainingBytes(plan, facts), weights);
  facts.original_is_elsewhere = true;
  EXPECT_EQ(ResidentTrainingBytes(plan, facts), weights + head);
}

// --- The shapes and cards that the service is for ---

TrainingFacts GpuFacts(const ModelConfig& config, int64_t tokens) {
  TrainingFacts facts;
  facts.config = config;
  facts.on_gpu = true;
  facts.compute_bytes = 2;
  facts.item_tokens.assign(100, tokens);
  return facts;
}

absl::StatusOr<ChosenMemoryPlan> OnCard(const TrainingPlan& plan, TrainingFacts facts,
                                        int64_t device_bytes) {
  facts.device_bytes = device_bytes;
  facts.available_bytes = AvailableForTraining(plan, facts, device_bytes);
  return PlanTrainingMemory(plan, facts);
}

TEST(Llama8BTest, FullTrainingFitsOneH200At2640Tokens) {
  for (const Objective objective : {Objective::kGradientAscent, Objective::kNpo}) {
    const auto chosen = OnCard(Plan(objective), GpuFacts(Llama8B(), 330), kH200);
    ASSERT_TRUE(chosen.ok()) << chosen.status();
    EXPECT_EQ(chosen->parts, 1);
    EXPECT_EQ(chosen->plan.micro_batch_tokens, 2640);
  }
  // NPO's published batch of 16 in two parts of as many tokens.
  const auto npo =
      OnCard(Plan(Objective::kNpo, TrainedWeights::kFull, 16), GpuFacts(Llama8B(), 330), kH200);
  ASSERT_TRUE(npo.ok()) << npo.status();
  EXPECT_EQ(npo->plan.micro_batch_tokens, 2640);
  const auto dpo =
      OnCard(Plan(Objective::kDpo, TrainedWeights::kFull, 2), GpuFacts(Llama8B(), 820), kH200);
  ASSERT_TRUE(dpo.ok()) << dpo.status();
  EXPECT_EQ(dpo->plan.micro_batch_tokens, 1640);
  const auto rt = OnCard(Plan(Objective::kCausalLm), GpuFacts(Llama8B(), 75), kH200);
  ASSERT_TRUE(rt.ok()) << rt.status();
  EXPECT_EQ(rt->parts, 1);
}

TEST(Llama8BTest, FullTrainingFitsFourAndEightCardsOf80GbWithASharedState) {
  for (const int ranks : {4, 8}) {
    for (const auto& [objective, tokens] :
         {std::pair(Objective::kGradientAscent, 512), std::pair(Objective::kNpo, 512),
          std::pair(Objective::kDpo, 1024), std::pair(Objective::kCausalLm, 75)}) {
      TrainingPlan plan = Plan(objective);
      TrainingFacts facts = GpuFacts(Llama8B(), tokens);
      facts.ranks = ranks;
      // Without shares it does not fit on any number of ranks, and is told so once.
      EXPECT_EQ(OnCard(plan, facts, kH100).status().code(), absl::StatusCode::kInvalidArgument);
      plan.shard_optimizer_state = true;
      const auto chosen = OnCard(plan, facts, kH100);
      ASSERT_TRUE(chosen.ok()) << ranks << ": " << chosen.status();
      EXPECT_EQ(chosen->parts, 1);
    }
  }
}

TEST(Llama8BTest, FullTrainingFitsOneCardOf80GbOnlyWithTheOptimizerOnTheHost) {
  for (const auto& [objective, tokens] :
       {std::pair(Objective::kGradientAscent, 512), std::pair(Objective::kNpo, 512),
        std::pair(Objective::kDpo, 1024), std::pair(Objective::kCausalLm, 75)}) {
    TrainingFacts facts = GpuFacts(Llama8B(), tokens);
    const absl::Status refused = OnCard(Plan(objective), facts, kH100).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << refused;
    facts.optimizer_on_host = true;
    const auto chosen = OnCard(Plan(objective), facts, kH100);
    ASSERT_TRUE(chosen.ok()) << chosen.status();
    EXPECT_GE(chosen->plan.micro_batch_tokens, std::min<int64_t>(tokens * 8, 2640));
  }
}

TEST(Llama8BTest, AdaptersFitOneCardOf24AndOf40Gb) {
  for (const int64_t card : {kL4, kA100Of40}) {
    for (const auto& [objective, tokens] :
         {std::pair(Objective::kGradientAscent, 512), std::pair(Objective::kNpo, 512),
          std::pair(Objective::kDpo, 1024), std::pair(Objective::kCausalLm, 75)}) {
      const auto chosen =
          OnCard(Plan(objective, TrainedWeights::kLora), GpuFacts(Llama8B(), tokens), card);
      EXPECT_TRUE(chosen.ok()) << chosen.status();
    }
  }
}

// engine.md's figures: 4.2 MB a token, 96.4 GB of masters and moments.
TEST(Llama8BTest, FiguresOfTheDesign) {
  const TrainingPlan plan = Plan(Objective::kGradientAscent);
  const auto chosen = PlanTrainingMemory(plan, GpuFacts(Llama8B(), 330));
  ASSERT_TRUE(chosen.ok());
  EXPECT_EQ(Llama8B().ParameterCount(), 8'030'261'248);
  EXPECT_NEAR(static_cast<double>(chosen->plan.weight_bytes), 16.1e9, 0.1e9);
  EXPECT_NEAR(static_cast<double>(chosen->plan.gradient_bytes), 16.1e9, 0.1e9);
  EXPECT_NEAR(static_cast<double>(chosen->plan.optimizer_bytes), 96.4e9, 0.1e9);
  EXPECT_EQ(Phi3Mini().ParameterCount(), 3'821'079'552);
  EXPECT_EQ(Llama1B().ParameterCount(), 1'235'814'400);
  EXPECT_EQ(SmolLm135M().ParameterCount(), 134'515'008);
}

}  // namespace
}  // namespace rwku::engine
