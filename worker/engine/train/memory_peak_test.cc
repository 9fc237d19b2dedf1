// What trainings take of the processor's memory, against what their plans say.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>

#include "worker/engine/memory/model_size.h"
#include "worker/engine/memory/testing_model_shapes.h"
#include "worker/engine/memory/training_memory.h"
#include "worker/engine/train/number_tokenizer.h"
#include "worker/engine/train/train.h"

namespace rwku::engine {
namespace {

constexpr int32_t kEos = 4;

// Follows torch's allocations on this thread, of which the backward pass of the processor is one.
class Meter final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void* /*pointer*/, int64_t alloc_size, size_t /*total_allocated*/,
                         size_t /*total_reserved*/, c10::Device /*device*/) override {
    present_ += alloc_size;
    peak_ = std::max(peak_, present_);
  }
  bool memoryProfilingEnabled() const override { return true; }

  int64_t peak() const { return peak_; }

 private:
  int64_t present_ = 0;
  int64_t peak_ = 0;
};

struct Case {
  const char* name;
  ModelConfig config;
  int64_t tokens;  // of a text, its end among them
};

struct Measured {
  int64_t peak = 0;  // beside the weights and with the adapters
  int64_t planned = 0;
};

Measured Train(const ModelConfig& config, TrainingPlan plan, int64_t tokens) {
  const auto model = CausalLm::Random(config, /*seed=*/1, /*std=*/0.02);
  for (int text = 0; text < 2; ++text) {
    std::string ids;
    for (int64_t i = 0; i + 1 < tokens; ++i) {
      absl::StrAppend(&ids, 5 + (i * 7 + text) % 50, " ");
    }
    plan.texts.push_back(ids);
  }
  plan.batch_size = 2;
  plan.learning_rate = 1e-3;
  plan.warmup_steps = 0;
  plan.beta = 0.2;
  const auto meter = std::make_shared<Meter>();
  const CancelToken cancel;
  TrainingContext context;
  context.available_bytes = 0;
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, meter);
  const auto report = TrainModel(*model, NumberTokenizer(static_cast<int>(config.vocab_size), kEos),
                                 plan, {}, cancel, context);
  EXPECT_TRUE(report.ok()) << report.status();
  if (!report.ok()) {
    return {};
  }
  EXPECT_EQ(report->memory.micro_batch_tokens, 2 * tokens);
  const int64_t weights = 4 * config.ParameterCount();
  return {meter->peak(), TotalBytes(report->memory) - weights};
}

class MemoryPeakTest : public ::testing::TestWithParam<Case> {
 protected:
  // At least the peak, and at most half as much again, as a whole and in what more tokens add.
  static void Check(const TrainingPlan& plan) {
    const Case& shape = GetParam();
    const Measured once = Train(shape.config, plan, shape.tokens);
    const Measured twice = Train(shape.config, plan, 2 * shape.tokens);
    EXPECT_GE(once.planned, once.peak);
    EXPECT_GE(twice.planned, twice.peak);
    EXPECT_LE(static_cast<double>(once.planned), 1.5 * static_cast<double>(once.peak));
    EXPECT_LE(static_cast<double>(twice.planned), 1.5 * static_cast<double>(twice.peak));
    const double more = static_cast<double>(twice.planned - once.planned) /
                        static_cast<double>(twice.peak - once.peak);
    EXPECT_GE(more, 0.9);
    EXPECT_LE(more, 1.5);
    RecordProperty("planned_of_peak", absl::StrCat(static_cast<double>(twice.planned) /
                                                   static_cast<double>(twice.peak)));
    RecordProperty("a_token_planned_of_peak", absl::StrCat(more));
  }
};

TEST_P(MemoryPeakTest, FullTraining) { Check({}); }

TEST_P(MemoryPeakTest, FullTrainingAgainstAReference) {
  TrainingPlan plan;
  plan.objective = Objective::kNpo;
  Check(plan);
}

TEST_P(MemoryPeakTest, FullTrainingTowardsOtherLogits) {
  TrainingPlan plan;
  plan.objective = Objective::kUndial;
  Check(plan);
}

TEST_P(MemoryPeakTest, Adapters) {
  TrainingPlan plan;
  plan.trained = TrainedWeights::kLora;
  Check(plan);
}

TEST_P(MemoryPeakTest, AdaptersEverywhere) {
  TrainingPlan plan;
  plan.trained = TrainedWeights::kLora;
  plan.lora.target_modules = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                              "gate_proj", "up_proj", "down_proj"};
  Check(plan);
}

TEST_P(MemoryPeakTest, SomeLayers) {
  TrainingPlan plan;
  plan.layers = LayerRange{0, 2};
  Check(plan);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, MemoryPeakTest,
    ::testing::Values(Case{"Tiny", TestingShape("llama", 64, 160, 6, 4, 2, 256, false), 160},
                      Case{"Medium", TestingShape("llama", 256, 704, 4, 8, 4, 1024, true), 160}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace rwku::engine
