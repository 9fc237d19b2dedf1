// The planner's counts of weights, against the weights that trainings of small models train.
#include "worker/engine/memory/model_size.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "worker/engine/memory/testing_model_shapes.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/lora.h"
#include "worker/engine/train/trainable.h"

namespace rwku::engine {
namespace {

struct Case {
  const char* name;
  const char* model_type;
  bool tied;
};

class ModelSizeTest : public ::testing::TestWithParam<Case> {
 protected:
  static void Compare(const TrainingPlan& plan) {
    const Case& shape = GetParam();
    const ModelConfig config = TestingShape(shape.model_type, 32, 80, 6, 4, 2, 64, shape.tied);
    CausalLm model(config, at::kCPU);
    const TrainingSize size = SizeOf(plan, config);
    int64_t parameters = 0;
    for (const auto& [name, tensor] : model.NamedParameters()) {
      parameters += tensor.numel();
    }
    EXPECT_EQ(size.parameters, parameters);
    int64_t adapters = 0;
    if (plan.trained == TrainedWeights::kLora) {
      AttachLora(plan.lora, plan.layers, plan.seed, &model);
      for (const auto& [name, linear] : model.NamedLinears()) {
        adapters += linear->adapter ? linear->adapter->a.numel() + linear->adapter->b.numel() : 0;
      }
    }
    EXPECT_EQ(size.adapters, adapters);
    EXPECT_EQ(size.trained, TrainableWeights(&model, ChoiceOf(plan)).parameters());
  }

  static TrainingPlan Adapters() {
    TrainingPlan plan;
    plan.trained = TrainedWeights::kLora;
    if (std::string(GetParam().model_type) == "phi3") {
      plan.lora.target_modules = {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"};
    } else {
      plan.lora.target_modules = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                  "gate_proj", "up_proj", "down_proj"};
    }
    return plan;
  }
};

TEST_P(ModelSizeTest, Full) { Compare({}); }

TEST_P(ModelSizeTest, SomeLayers) {
  TrainingPlan plan;
  plan.layers = LayerRange{1, 4};
  Compare(plan);
}

TEST_P(ModelSizeTest, AdaptersInAllAndInSomeLayers) {
  TrainingPlan plan = Adapters();
  Compare(plan);
  plan.layers = LayerRange{2, 5};
  Compare(plan);
}

TEST_P(ModelSizeTest, WhatALossOfALayerReaches) {
  for (const int layer : {0, 2, 5}) {
    for (TrainingPlan plan : {TrainingPlan(), Adapters()}) {
      plan.objective = Objective::kRmu;
      plan.layer = layer;
      plan.retain.term = RetainTerm::kHidden;
      Compare(plan);
      plan.retain.term = RetainTerm::kKl;
      Compare(plan);
      plan.retain.term = RetainTerm::kNone;
      plan.layers = LayerRange{1, 4};
      Compare(plan);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, ModelSizeTest,
                         ::testing::Values(Case{"Llama", "llama", false},
                                           Case{"TiedLlama", "llama", true},
                                           Case{"Qwen2", "qwen2", false},
                                           Case{"Phi3", "phi3", false}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace rwku::engine
