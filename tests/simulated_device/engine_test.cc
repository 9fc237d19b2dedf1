// The engine's models and trainings on the simulated device, beside the same on the CPU.
#include <limits>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/simulated_device/device_memory.h"
#include "tests/simulated_device/simulated_device.h"
#include "tests/simulated_device/synchronisations.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/corpus.h"
#include "worker/engine/train/hidden_losses.h"
#include "worker/engine/train/lora.h"
#include "worker/engine/train/micro_batches.h"
#include "worker/engine/train/number_tokenizer.h"
#include "worker/engine/train/objective.h"
#include "worker/engine/train/original.h"
#include "worker/engine/train/train.h"
#include "worker/engine/train/trainable.h"

namespace rwku::engine {
namespace {

using testing::IsEmpty;

constexpr int32_t kEos = 4;

struct Family {
  std::string name;
  ModelConfig config;
};

void PrintTo(const Family& family, std::ostream* out) { *out << family.name; }

ModelConfig Llama() {
  ModelConfig config;
  config.hidden_size = 16;
  config.intermediate_size = 40;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 4;
  config.vocab_size = 32;
  return config;
}

ModelConfig Qwen2() {
  ModelConfig config = Llama();
  config.model_type = "qwen2";
  config.tie_word_embeddings = true;
  return config;
}

// Fused projections, a window and two sets of rotary factors.
ModelConfig Phi3() {
  ModelConfig config = Llama();
  config.model_type = "phi3";
  config.sliding_window = 3;
  config.rope_scaling.type = RopeScalingType::kLongRope;
  config.rope_scaling.short_factor = {1.0, 1.5};
  config.rope_scaling.long_factor = {2.0, 4.0};
  config.rope_scaling.original_max_position_embeddings = 5;
  return config;
}

std::unique_ptr<CausalLm> TinyModel(const ModelConfig& config, at::Device device,
                                    at::ScalarType dtype = at::kFloat) {
  return CausalLm::Random(config, /*seed=*/1, /*std=*/0.1, device, dtype);
}

class FamilyOnDeviceTest : public testing::TestWithParam<Family> {};

TEST_P(FamilyOnDeviceTest, HiddenStatesAndLogitsAreTheCpus) {
  const std::vector<std::vector<int32_t>> sequences = {{5, 6, 7, 8, 9, 10}, {9}, {10, 11, 12}};
  const at::Device device = simulated::Device();
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const auto here = TinyModel(GetParam().config, device, dtype);
    const auto there = TinyModel(GetParam().config, at::kCPU, dtype);
    const at::Tensor logits = here->Logits(here->Hidden(MakePacked(sequences, device)));
    EXPECT_EQ(logits.device(), device);
    EXPECT_TRUE(
        at::equal(logits.cpu(), there->Logits(there->Hidden(MakePacked(sequences, at::kCPU)))))
        << dtype;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyOnDeviceTest,
                         testing::Values(Family{"llama", Llama()}, Family{"qwen2", Qwen2()},
                                         Family{"phi3", Phi3()}),
                         [](const auto& info) { return info.param.name; });

struct TrainingCase {
  std::string name;
  Objective objective = Objective::kCausalLm;
  RetainTerm retain = RetainTerm::kNone;
};

void PrintTo(const TrainingCase& test_case, std::ostream* out) { *out << test_case.name; }

const std::vector<TrainingCase>& TrainingCases() {
  static const auto& cases = *new std::vector<TrainingCase>{
      {"CausalLm", Objective::kCausalLm},
      {"GradientAscent", Objective::kGradientAscent},
      {"Npo", Objective::kNpo},
      {"Dpo", Objective::kDpo},
      {"SimNpo", Objective::kSimNpo},
      {"Wga", Objective::kWga},
      {"SatImp", Objective::kSatImp},
      {"Ceu", Objective::kCeu},
      {"Undial", Objective::kUndial},
      {"Rmu", Objective::kRmu},
      {"NpoRetainNll", Objective::kNpo, RetainTerm::kNll},
      {"GradientAscentRetainKl", Objective::kGradientAscent, RetainTerm::kKl},
      {"RmuRetainHidden", Objective::kRmu, RetainTerm::kHidden},
  };
  return cases;
}

TrainingPlan PlanOf(const TrainingCase& test_case) {
  TrainingPlan plan;
  plan.objective = test_case.objective;
  if (plan.objective == Objective::kDpo) {
    plan.pairs = {{"5 6", "7 8 9", "10 11"}, {"12", "13 14", "15"}, {"16 17", "18", "19 20 21"}};
  } else {
    plan.texts = {"5 6 7 8", "9 10", "11 12 13 14 15 16", "17", "18 19 20"};
  }
  if (test_case.retain != RetainTerm::kNone) {
    plan.retain = {test_case.retain, 0.5, {"21 22 23", "24 25 26 27", "28 29"}};
  }
  plan.learning_rate = 1e-3;
  plan.warmup_steps = 0;
  plan.batch_size = 2;
  plan.epochs = 2;
  plan.beta = 0.2;
  plan.beta2 = 0.1;
  plan.strength = 1;
  plan.layer = 1;
  return plan;
}

absl::StatusOr<TrainingReport> Train(CausalLm& model, const TrainingPlan& plan,
                                     const TrainingContext& context = {}) {
  const CancelToken cancel;
  return TrainModel(model, NumberTokenizer(32, kEos), plan, {}, cancel, context);
}

// That both models were trained alike, to the bit.
void ExpectEqual(CausalLm& here, const TrainingReport& on_device, CausalLm& there,
                 const TrainingReport& on_cpu) {
  ASSERT_EQ(on_device.steps.size(), on_cpu.steps.size());
  for (size_t i = 0; i < on_cpu.steps.size(); ++i) {
    EXPECT_EQ(on_device.steps[i].loss, on_cpu.steps[i].loss) << i;
    EXPECT_EQ(on_device.steps[i].gradient_norm, on_cpu.steps[i].gradient_norm) << i;
  }
  MergeAdapters(&here);
  MergeAdapters(&there);
  const auto parameters = there.NamedParameters();
  for (size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_TRUE(at::equal(here.NamedParameters()[i].second.cpu(), parameters[i].second))
        << parameters[i].first;
  }
}

class TrainingOnDeviceTest
    : public testing::TestWithParam<std::tuple<TrainingCase, TrainedWeights, at::ScalarType>> {};

TEST_P(TrainingOnDeviceTest, IsTheCpus) {
  TrainingPlan plan = PlanOf(std::get<0>(GetParam()));
  plan.trained = std::get<1>(GetParam());
  const at::ScalarType dtype = std::get<2>(GetParam());
  const auto here = TinyModel(Llama(), simulated::Device(), dtype);
  const auto there = TinyModel(Llama(), at::kCPU, dtype);
  const auto on_device = Train(*here, plan);
  ASSERT_TRUE(on_device.ok()) << on_device.status();
  const auto on_cpu = Train(*there, plan);
  ASSERT_TRUE(on_cpu.ok()) << on_cpu.status();
  ExpectEqual(*here, *on_device, *there, *on_cpu);
}

INSTANTIATE_TEST_SUITE_P(Objectives, TrainingOnDeviceTest,
                         testing::Combine(testing::ValuesIn(TrainingCases()),
                                          testing::Values(TrainedWeights::kFull,
                                                          TrainedWeights::kLora),
                                          testing::Values(at::kFloat, at::kBFloat16)),
                         [](const auto& info) {
                           const bool is_full = std::get<1>(info.param) == TrainedWeights::kFull;
                           return std::get<0>(info.param).name + (is_full ? "Full" : "Lora") +
                                  (std::get<2>(info.param) == at::kFloat ? "Float32" : "Bfloat16");
                         });

TEST(TrainingMemoryTest, AStepThatRunsOutOfDeviceMemoryIsRepeatedInParts) {
  TrainingPlan plan = PlanOf({"CausalLm", Objective::kCausalLm});
  plan.batch_size = 4;
  plan.epochs = 1;
  const auto train = [&](int64_t capacity, int parts) {
    const auto model = TinyModel(Llama(), simulated::Device());
    plan.micro_batch_parts = parts;
    simulated::ResetPeak();
    simulated::SetCapacity(capacity);
    auto report = Train(*model, plan);
    simulated::SetCapacity(std::numeric_limits<int64_t>::max());
    return std::make_pair(std::move(report), simulated::PeakBytes());
  };
  const auto [whole, whole_peak] = train(std::numeric_limits<int64_t>::max(), 1);
  const auto [split, split_peak] = train(std::numeric_limits<int64_t>::max(), 4);
  ASSERT_TRUE(whole.ok() && split.ok());
  ASSERT_LT(split_peak, whole_peak);
  // The planner leaves more free than a step takes here: what does not fit shows in the step.
  TrainingContext context;
  context.available_bytes = std::numeric_limits<int64_t>::max();
  const auto model = TinyModel(Llama(), simulated::Device());
  plan.micro_batch_parts = 1;
  simulated::SetCapacity(split_peak + (whole_peak - split_peak) / 4);
  const auto squeezed = Train(*model, plan, context);
  simulated::SetCapacity(simulated::AllocatedBytes());
  const auto refused = Train(*model, plan, context);
  simulated::SetCapacity(std::numeric_limits<int64_t>::max());
  ASSERT_TRUE(squeezed.ok()) << squeezed.status();
  for (size_t i = 0; i < whole->steps.size(); ++i) {
    EXPECT_NEAR(squeezed->steps[i].loss, whole->steps[i].loss, 1e-5);
  }
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted) << refused.status();
}

class PassOnDeviceTest : public testing::TestWithParam<TrainingCase> {
 protected:
  static ReferencedCorpus CorpusOf(const TrainingPlan& plan, bool is_retain,
                                   const CausalLm& model) {
    const NumberTokenizer tokenizer(32, kEos);
    const CancelToken cancel;
    ReferencedCorpus corpus;
    if (is_retain) {
      corpus.corpus.sequences = *TokenizeTexts("texts", plan.retain.texts, 512, tokenizer, 32);
    } else {
      corpus.corpus = *TokenizeCorpus(plan, tokenizer, 32);
    }
    const std::vector<TrainingSequence>& sequences = corpus.corpus.sequences;
    const ReferenceKind kind =
        is_retain ? ReferenceOf(plan.retain.term) : ReferenceOf(plan.objective);
    if (kind == ReferenceKind::kNll) {
      corpus.nll = ComputeReferenceNlls(model, sequences, {}, cancel)->values;
    } else if (kind != ReferenceKind::kNone) {
      corpus.states = *ComputeReferenceStates(
          kind, model, sequences, std::vector<bool>(sequences.size(), true), plan.layer, cancel);
      corpus.head = model.lm_head.weight.detach().clone();
    }
    return corpus;
  }
};

// A wait inside a pass leaves a GPU idle: between the upload of a pack and its gradients there is
// none.
TEST_P(PassOnDeviceTest, ReadsNothingBack) {
  const TrainingPlan plan = PlanOf(GetParam());
  const at::Device device = simulated::Device();
  for (const TrainedWeights trained : {TrainedWeights::kFull, TrainedWeights::kLora}) {
    const auto model = TinyModel(Llama(), device);
    const ReferencedCorpus forget = CorpusOf(plan, false, *model);
    if (trained == TrainedWeights::kLora) {
      AttachLora(plan.lora, plan.layers, plan.seed, model.get());
    }
    const TrainableWeights weights(model.get(), trained);
    const std::vector<int> items = {0, 1};
    const MicroBatch part = PackItems(forget, items, device);
    const BatchScale scale = ScaleOf(forget.corpus, items, 1);
    const at::Tensor direction = RandomDirection(1, model->config().hidden_size).to(device);
    {
      const simulated::NoSynchronisationScope scope;
      BackwardForget(*model, part.pack, plan, part.reference, direction, scale);
      EXPECT_THAT(scope.Found(), IsEmpty());
    }
    if (GetParam().retain == RetainTerm::kNone) {
      continue;
    }
    const ReferencedCorpus retain = CorpusOf(plan, true, *model);
    const MicroBatch kept = PackItems(retain, items, device);
    const BatchScale retain_scale = ScaleOf(retain.corpus, items, 1);
    const simulated::NoSynchronisationScope scope;
    BackwardRetain(*model, kept.pack, plan, kept.reference, retain_scale);
    EXPECT_THAT(scope.Found(), IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(Objectives, PassOnDeviceTest, testing::ValuesIn(TrainingCases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rwku::engine
