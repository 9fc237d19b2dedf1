#include "worker/engine/train/memory_plan.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/train/device_memory.h"

namespace rwku::engine {
namespace {

using testing::HasSubstr;

MemoryRequest Request() {
  MemoryRequest request;
  request.config.hidden_size = 128;
  request.config.intermediate_size = 384;
  request.config.num_hidden_layers = 4;
  request.config.num_attention_heads = 4;
  request.config.num_key_value_heads = 2;
  request.config.head_dim = 32;
  request.config.vocab_size = 2048;
  request.parameters = 1000;
  request.trained_parameters = 500;
  request.chunk_rows = 64;
  request.batch_size = 8;
  request.item_tokens = {10, 20, 30, 40, 50, 60, 70, 80, 90, 100};
  return request;
}

TEST(MemoryPlanTest, UnknownMemoryTakesTheWholeBatchOfTheLongestItems) {
  const auto chosen = PlanMemory(Request());
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->parts, 1);
  EXPECT_EQ(chosen->plan.weight_bytes, 4000);
  EXPECT_EQ(chosen->plan.gradient_bytes, 2000);
  EXPECT_EQ(chosen->plan.optimizer_bytes, 4000);
  EXPECT_EQ(chosen->plan.micro_batch_texts, 8);
  EXPECT_EQ(chosen->plan.micro_batch_tokens, 30 + 40 + 50 + 60 + 70 + 80 + 90 + 100);
  EXPECT_EQ(chosen->plan.logit_bytes, 64 * 2048 * 4 * 2);
}

TEST(MemoryPlanTest, TakesTheFewestPartsThatFit) {
  MemoryRequest request = Request();
  const auto of_parts = [&](int parts) {
    request.smallest_parts = parts;
    request.available_bytes = 0;
    const MemoryPlan plan = PlanMemory(request)->plan;
    return plan.gradient_bytes + plan.optimizer_bytes + plan.activation_bytes + plan.logit_bytes;
  };
  for (const int parts : {1, 2, 4, 8}) {
    const int64_t needed = of_parts(parts);
    request.smallest_parts = 1;
    request.available_bytes = needed;
    EXPECT_EQ(PlanMemory(request)->parts, parts);
    request.available_bytes = needed - 1;
    const auto less = PlanMemory(request);
    if (parts == 8) {
      EXPECT_EQ(less.status().code(), absl::StatusCode::kResourceExhausted);
    } else {
      EXPECT_EQ(less->parts, 2 * parts);
    }
  }
}

TEST(MemoryPlanTest, SaysWithTheFiguresThatASingleTextDoesNotFit) {
  MemoryRequest request = Request();
  request.available_bytes = 5999;
  const absl::Status status = PlanMemory(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  for (const char* const part : {"100 tokens", "gradients 2000", "optimizer 4000", "activations ",
                                 "logits ", "4000 of the weights", "the device has 5999"}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

TEST(MemoryPlanTest, FrozenLayersBelowKeepNothing) {
  MemoryRequest request = Request();
  const int64_t all = PlanMemory(request)->plan.activation_bytes;
  request.first_layer = 2;
  const int64_t half = PlanMemory(request)->plan.activation_bytes;
  EXPECT_EQ(all - half, 520 * 2 * LayerActivationBytes(request.config, 4));
}

TEST(DeviceMemoryTest, ReadsWhatTheHostHas) {
  EXPECT_EQ(ParseMemAvailable("MemTotal:  9 kB\nMemAvailable:    123 kB\nBuffers: 1 kB\n"),
            123 * 1024);
  EXPECT_EQ(ParseMemAvailable("MemTotal:  9 kB\n"), 0);
  EXPECT_GT(AvailableBytes(at::kCPU), 0);
}

}  // namespace
}  // namespace rwku::engine
