// Equality with straightforward PyTorch loops, as tests/oracle/train_oracle.py ran them: every
// objective and retain term, full, LoRA and of some layers, for every family in float32; the same
// under autocast to bfloat16, for one family, and two objectives of the others.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/model/safetensors.h"
#include "worker/engine/train/number_tokenizer.h"
#include "worker/engine/train/train.h"

namespace rwku::engine {
namespace {

using Json = nlohmann::json;

Objective ObjectiveOf(const std::string& name) {
  static const auto* const kObjectives =
      new std::map<std::string, Objective>{{"lm", Objective::kCausalLm},
                                           {"rt", Objective::kCausalLm},
                                           {"ga", Objective::kGradientAscent},
                                           {"npo", Objective::kNpo},
                                           {"dpo", Objective::kDpo},
                                           {"simnpo", Objective::kSimNpo},
                                           {"wga", Objective::kWga},
                                           {"satimp", Objective::kSatImp},
                                           {"ceu", Objective::kCeu},
                                           {"undial", Objective::kUndial},
                                           {"rmu", Objective::kRmu}};
  return kObjectives->at(name);
}

RetainTerm RetainOf(const std::string& name) {
  static const auto* const kTerms =
      new std::map<std::string, RetainTerm>{{"none", RetainTerm::kNone},
                                            {"nll", RetainTerm::kNll},
                                            {"kl", RetainTerm::kKl},
                                            {"hidden", RetainTerm::kHidden}};
  return kTerms->at(name);
}

TrainingPlan PlanOf(const Json& json) {
  TrainingPlan plan;
  plan.texts = json["texts"].get<std::vector<std::string>>();
  for (const Json& chat : json["chats"]) {
    plan.chats.push_back({chat["prompt"].get<std::string>(), chat["response"].get<std::string>()});
  }
  for (const Json& pair : json["pairs"]) {
    plan.pairs.push_back({pair["prompt"].get<std::string>(), pair["chosen"].get<std::string>(),
                          pair["rejected"].get<std::string>()});
  }
  plan.objective = ObjectiveOf(json["objective"].get<std::string>());
  plan.forget_weight = json["forget_weight"].get<double>();
  plan.retain.term = RetainOf(json["retain"].get<std::string>());
  plan.retain.weight = json["retain_weight"].get<double>();
  plan.retain.texts = json["retain_texts"].get<std::vector<std::string>>();
  plan.trained =
      json["tuning"].get<std::string>() == "lora" ? TrainedWeights::kLora : TrainedWeights::kFull;
  if (!json["layers"].is_null()) {
    plan.layers = LayerRange{json["layers"][0].get<int>(), json["layers"][1].get<int>()};
  }
  plan.lora.rank = json["rank"].get<int>();
  plan.lora.alpha = json["alpha"].get<double>();
  plan.lora.target_modules = json["targets"].get<std::vector<std::string>>();
  plan.learning_rate = json["learning_rate"].get<double>();
  plan.warmup_steps = json["warmup_steps"].get<int>();
  plan.batch_size = json["batch_size"].get<int>();
  plan.accumulation = json["accumulation"].get<int>();
  plan.epochs = json["epochs"].get<int>();
  plan.beta = json["beta"].get<double>();
  plan.beta2 = json["beta2"].get<double>();
  plan.margin = json["margin"].get<double>();
  plan.strength = json["strength"].get<double>();
  plan.layer = json["layer"].get<int>();
  plan.max_gradient_norm = json["max_gradient_norm"].get<double>();
  plan.cutoff_tokens = json["cutoff_tokens"].get<int>();
  plan.seed = json["seed"].get<uint64_t>();
  return plan;
}

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// The largest of a test's differences, and of which case it is.
struct Worst {
  double value = 0;
  std::string of;

  void Take(double candidate, const std::string& name) {
    if (!(candidate <= value)) {
      value = candidate;
      of = name;
    }
  }
};

std::ostream& operator<<(std::ostream& out, const Worst& worst) {
  return out << worst.value << " (" << worst.of << ")";
}

class TrainOracleTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const char* const root = std::getenv("RWKU_TRAIN_ORACLE");
    folder_ = root == nullptr ? "" : root;
  }

  static bool IsNarrow() { return absl::EndsWith(GetParam(), "_bfloat16"); }

  void Compare(const std::string& name) {
    const Json expected = Json::parse(*ReadFile(folder_ / (name + ".json")));
    std::vector<at::Tensor> stored;
    absl::StatusOr<std::unique_ptr<CausalLm>> model = LoadCausalLm(
        folder_ / GetParam(), at::kCPU, IsNarrow() ? at::kBFloat16 : at::kFloat, &stored);
    ASSERT_TRUE(model.ok()) << model.status();
    const NumberTokenizer tokenizer(static_cast<int>((*model)->config().vocab_size),
                                    expected["eos"].get<int32_t>());
    const CancelToken cancel;
    WeightHistory history;
    TrainingContext context;
    context.original.weights = &stored;
    context.history = &history;
    const absl::StatusOr<TrainingReport> report =
        TrainModel(**model, tokenizer, PlanOf(expected), {}, cancel, context);
    ASSERT_TRUE(report.ok()) << report.status();
    CompareSteps(name, expected, *report);
    CompareWeights(name, **model, history);
  }

  void CompareSteps(const std::string& name, const Json& expected, const TrainingReport& report) {
    const auto losses = expected["losses"].get<std::vector<double>>();
    const auto norms = expected["norms"].get<std::vector<double>>();
    const auto rates = expected["learning_rates"].get<std::vector<double>>();
    ASSERT_EQ(losses.size(), 20U);
    ASSERT_EQ(report.steps.size(), losses.size());
    double largest_loss = 0;
    for (const double loss : losses) {
      largest_loss = std::max(largest_loss, std::abs(loss));
    }
    int clipped = 0;
    for (size_t i = 0; i < losses.size(); ++i) {
      const TrainingStep& step = report.steps[i];
      EXPECT_NEAR(step.learning_rate, rates[i], 1e-12);
      // A step whose forget texts have no label leaves a distance of almost equal states, of which
      // bfloat16 keeps nothing.
      const double least = IsNarrow() ? largest_loss / 100 : 1e-6;
      worst_loss_.Take(std::abs(step.loss - losses[i]) / std::max(std::abs(losses[i]), least),
                       name);
      // In bfloat16 a norm that is small beside the training's others is noise.
      const double size = IsNarrow() ? *std::max_element(norms.begin(), norms.end()) : norms[i];
      worst_norm_.Take(std::abs(step.gradient_norm - norms[i]) / std::max(size, 1e-3), name);
      clipped += norms[i] > expected["max_gradient_norm"].get<double>() ? 1 : 0;
    }
    EXPECT_TRUE(clipped > 0 || IsNarrow()) << "clipping was not at work";
  }

  void CompareWeights(const std::string& name, CausalLm& model, const WeightHistory& history) {
    const absl::StatusOr<SafetensorsFile> expected =
        SafetensorsFile::Open(folder_ / (name + ".safetensors"));
    ASSERT_TRUE(expected.ok()) << expected.status();
    std::vector<NamedTensor> trained = model.NamedParameters();
    for (const auto& [linear_name, linear] : model.NamedLinears()) {
      if (linear->adapter.has_value()) {
        trained.emplace_back(linear_name + ".lora_A", linear->adapter->a);
        trained.emplace_back(linear_name + ".lora_B", linear->adapter->b);
      }
    }
    const absl::StatusOr<std::unique_ptr<CausalLm>> start =
        LoadCausalLm(folder_ / GetParam(), at::kCPU, model.compute_dtype());
    ASSERT_TRUE(start.ok()) << start.status();
    const std::vector<NamedTensor> before = (*start)->NamedParameters();
    size_t compared = 0;
    for (size_t i = 0; i < trained.size(); ++i) {
      const auto& [tensor_name, tensor] = trained[i];
      if (expected->header().entries.count(tensor_name) == 0) {
        ASSERT_LT(i, before.size()) << tensor_name << " is an adapter that peft does not have";
        EXPECT_EQ(LargestDifference(tensor, before[i].second), 0) << tensor_name;
        continue;
      }
      const absl::StatusOr<at::Tensor> other = expected->Get(tensor_name);
      ASSERT_TRUE(other.ok()) << other.status();
      const auto master = history.masters.find(tensor_name);
      // A weight that the loss does not reach trains in the loop and not here.
      EXPECT_TRUE(master == history.masters.end() || tensor.scalar_type() != at::kFloat);
      const at::Tensor trained_values =
          master == history.masters.end() ? tensor.detach() : master->second;
      if (master != history.masters.end()) {
        EXPECT_TRUE(at::equal(tensor, trained_values.to(tensor.scalar_type()))) << tensor_name;
      }
      worst_weight_.Take(LargestDifference(trained_values, *other),
                         absl::StrCat(name, " ", tensor_name));
      ++compared;
    }
    EXPECT_EQ(compared, expected->header().entries.size());
  }

  std::filesystem::path folder_;
  Worst worst_loss_;
  Worst worst_norm_;
  Worst worst_weight_;
};

TEST_P(TrainOracleTest, LossesAndFinalWeightsAreThoseOfThePaddedPyTorchLoop) {
  const absl::StatusOr<std::string> index = ReadFile(folder_ / absl::StrCat(GetParam(), ".json"));
  if (!index.ok()) {
    GTEST_SKIP() << "no oracle output at " << folder_;
  }
  const auto names = Json::parse(*index).get<std::vector<std::string>>();
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    Compare(name);
    EXPECT_LT(worst_loss_.value, IsNarrow() ? 2e-3 : 1e-4);
    EXPECT_LT(worst_norm_.value, IsNarrow() ? 1e-1 : 1e-3);
    if (!IsNarrow()) {
      // Adam divides by the gradient's size: in bfloat16 a small one may turn its sign, and its
      // weight goes the other way at full speed.
      EXPECT_LT(worst_weight_.value, 1e-4);
    }
  }
  std::cout << GetParam() << ": " << names.size() << " trainings, loss off by at most "
            << worst_loss_ << ", norm by " << worst_norm_ << ", both relative, weights by "
            << worst_weight_ << "\n";
}

INSTANTIATE_TEST_SUITE_P(Families, TrainOracleTest,
                         testing::Values("llama", "mistral", "phi3", "qwen2", "llama_bfloat16",
                                         "mistral_bfloat16", "phi3_bfloat16", "qwen2_bfloat16"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace rwku::engine
