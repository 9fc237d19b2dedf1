#include "worker/engine/memory/host_needs.h"

#include <gtest/gtest.h>

#include "worker/engine/memory/inference_memory.h"
#include "worker/engine/memory/testing_model_shapes.h"

namespace rwku::engine {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

TrainingFacts Gpu(const ModelConfig& config) {
  TrainingFacts facts;
  facts.config = config;
  facts.on_gpu = true;
  facts.compute_bytes = 2;
  facts.item_tokens = {512};
  return facts;
}

// The bound for one worker while it answers: three times its float32 weights and the keys
// and values, and 2.5 GB for the smallest real model.
TEST(HostNeedsTest, ASmallModelIsAskedOnAProcessorWithin2500MB) {
  TrainingFacts facts;
  facts.config = SmolLm135M();
  InferenceFacts asked;
  asked.config = facts.config;
  asked.available_bytes = 20'000'000'000;
  const auto plan = PlanInference(asked);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const HostNeeds needs =
      PlanHostMemory({}, facts, {}, {.answering_bytes = plan->kv_bytes + plan->workspace_bytes});
  EXPECT_LE(needs.total_bytes, 2'500'000'000);
  const int64_t weights = 4 * facts.config.ParameterCount();
  EXPECT_LE(needs.pristine_bytes + needs.answering_bytes,
            3 * weights + plan->kv_bytes + plan->workspace_bytes);
}

TEST(HostNeedsTest, AGpuWorkerKeepsTheWeightsAsStored) {
  TrainingFacts facts = Gpu(Llama8B());
  HostNeeds needs = PlanHostMemory({}, facts, {}, {.answering_bytes = kGiB});
  EXPECT_EQ(needs.pristine_bytes, 2 * facts.config.ParameterCount());
  EXPECT_EQ(needs.answering_bytes, 0);
  EXPECT_LT(needs.total_bytes, 32 * kGiB);
  facts.config.torch_dtype = "float32";
  EXPECT_EQ(PlanHostMemory({}, facts, {}, {}).pristine_bytes, 4 * facts.config.ParameterCount());
}

TEST(HostNeedsTest, TheOptimizerOnTheHostIsTwelveBytesAParameterOfThisRank) {
  TrainingFacts facts = Gpu(Llama8B());
  TrainingPlan plan;
  EXPECT_EQ(PlanHostMemory(plan, facts, {}, {}).optimizer_bytes, 0);
  facts.optimizer_on_host = true;
  const int64_t whole = 12 * facts.config.ParameterCount();
  EXPECT_EQ(PlanHostMemory(plan, facts, {}, {}).optimizer_bytes, whole);
  facts.ranks = 4;
  plan.shard_optimizer_state = true;
  EXPECT_EQ(PlanHostMemory(plan, facts, {}, {}).optimizer_bytes, whole / 4);
  plan.trained = TrainedWeights::kLora;
  EXPECT_EQ(PlanHostMemory(plan, facts, {}, {}).optimizer_bytes, 0);
}

TEST(HostNeedsTest, StatesOfTheOriginalCountWhereTheyAreKept) {
  const TrainingFacts facts = Gpu(Llama8B());
  const HostFacts host{.forget_tokens = 1000, .retain_tokens = 10};
  TrainingPlan plan;
  EXPECT_EQ(PlanHostMemory(plan, facts, {}, host).reference_bytes, 0);
  plan.objective = Objective::kUndial;
  EXPECT_EQ(PlanHostMemory(plan, facts, {}, host).reference_bytes, 1000 * 4096 * 4);
  plan.retain.term = RetainTerm::kKl;
  EXPECT_EQ(PlanHostMemory(plan, facts, {}, host).reference_bytes, 1010 * 4096 * 4);
}

}  // namespace
}  // namespace rwku::engine
