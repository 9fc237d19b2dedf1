#include "worker/engine/memory/inference_memory.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/memory/testing_model_shapes.h"

namespace rwku::engine {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kGB = 1'000'000'000;

InferenceFacts Facts(const ModelConfig& config, bool on_gpu, int64_t available_bytes) {
  InferenceFacts facts;
  facts.config = config;
  facts.on_gpu = on_gpu;
  facts.compute_bytes = on_gpu ? 2 : 4;
  facts.available_bytes = available_bytes;
  return facts;
}

TEST(InferenceMemoryTest, BytesOfATokenArePublishedOnes) {
  EXPECT_EQ(KvBytesOfToken(Llama8B(), 2), 131072);
  EXPECT_EQ(KvBytesOfToken(Phi3Mini(), 2), 393216);
  EXPECT_EQ(KvBytesOfToken(SmolLm135M(), 4), 46080);
}

TEST(InferenceMemoryTest, AnH200HoldsAWholeEvaluationOf8B) {
  const auto plan = PlanInference(Facts(Llama8B(), true, 133 * kGB));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_GE(plan->kv_bytes, int64_t{353} * 700 * 131072);
  EXPECT_EQ(plan->decode_batch, 384);
  EXPECT_EQ(plan->prefill_tokens, 8192);
}

TEST(InferenceMemoryTest, ASmallGpuGetsSmallerChunksAndBatches) {
  const auto plan = PlanInference(Facts(Llama8B(), true, 7 * kGB));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_LT(plan->prefill_tokens, 8192);
  EXPECT_GE(plan->prefill_tokens, 64);
  EXPECT_GT(plan->kv_bytes, 2 * kGB);
  EXPECT_LE(plan->kv_bytes + plan->workspace_bytes, 7 * kGB);
  EXPECT_GT(plan->decode_batch, 64);
}

TEST(InferenceMemoryTest, AProcessorTakesEightLongSequencesAndAtMostAQuarter) {
  const auto roomy = PlanInference(Facts(SmolLm135M(), false, 20 * kGB));
  ASSERT_TRUE(roomy.ok()) << roomy.status();
  EXPECT_EQ(roomy->kv_bytes, 8 * kLongestSequence * 46080);
  EXPECT_LT(roomy->kv_bytes, 0.6 * kGB);
  EXPECT_EQ(roomy->prefill_tokens, 1024);
  EXPECT_EQ(roomy->decode_batch, 48);
  const auto tight = PlanInference(Facts(SmolLm135M(), false, kGB));
  ASSERT_TRUE(tight.ok()) << tight.status();
  EXPECT_LE(tight->kv_bytes, kGB / 4);
}

TEST(InferenceMemoryTest, UnknownMemoryCountsAsEnough) {
  for (const bool on_gpu : {false, true}) {
    const auto unknown = PlanInference(Facts(Llama8B(), on_gpu, 0));
    const auto plenty = PlanInference(Facts(Llama8B(), on_gpu, 10'000 * kGB));
    ASSERT_TRUE(unknown.ok() && plenty.ok());
    EXPECT_EQ(unknown->kv_bytes, plenty->kv_bytes);
    EXPECT_EQ(unknown->decode_batch, plenty->decode_batch);
    EXPECT_EQ(unknown->prefill_tokens, plenty->prefill_tokens);
  }
}

TEST(InferenceMemoryTest, WishesAreTakenAndChecked) {
  InferenceFacts facts = Facts(SmolLm135M(), false, 20 * kGB);
  facts.kv_bytes = 46080 * 10;
  facts.decode_batch = 3;
  facts.prefill_tokens = 17;
  const auto plan = PlanInference(facts);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->kv_bytes, 46080 * 10);
  EXPECT_EQ(plan->decode_batch, 3);
  EXPECT_EQ(plan->prefill_tokens, 17);
  facts.kv_bytes = 46079;
  EXPECT_THAT(std::string(PlanInference(facts).status().message()),
              HasSubstr("kv-bytes is 46079; allowed is at least 46080"));
  facts.kv_bytes.reset();
  facts.decode_batch = 0;
  EXPECT_EQ(PlanInference(facts).status().code(), absl::StatusCode::kInvalidArgument);
  facts.decode_batch.reset();
  facts.prefill_tokens = -1;
  EXPECT_EQ(PlanInference(facts).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(InferenceMemoryTest, RefusesForGoodWhatAnEmptyDeviceCannotHold) {
  InferenceFacts facts = Facts(Llama8B(), true, 100'000'000);
  facts.device_bytes = 24 * kGB;
  const absl::Status others = PlanInference(facts).status();
  EXPECT_EQ(others.code(), absl::StatusCode::kResourceExhausted) << others;
  facts.device_bytes = 16 * kGB;
  const absl::Status never = PlanInference(facts).status();
  EXPECT_EQ(never.code(), absl::StatusCode::kInvalidArgument) << never;
  EXPECT_THAT(std::string(never.message()), HasSubstr("16060522496 of the weights"));
}

}  // namespace
}  // namespace rwku::engine
