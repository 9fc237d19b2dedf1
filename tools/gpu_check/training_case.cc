#include "tools/gpu_check/training_case.h"

#include <map>

#include "absl/strings/str_cat.h"
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/status_macros.h"

namespace rwku::gpu_check {
namespace {

using engine::Objective;
using engine::RetainTerm;
using nlohmann::json;

Objective ObjectiveOf(const std::string& name) {
  static const auto& objectives =
      *new std::map<std::string, Objective>{{"lm", Objective::kCausalLm},
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
  return objectives.at(name);
}

RetainTerm RetainOf(const std::string& name) {
  static const auto& terms =
      *new std::map<std::string, RetainTerm>{{"none", RetainTerm::kNone},
                                             {"nll", RetainTerm::kNll},
                                             {"kl", RetainTerm::kKl},
                                             {"hidden", RetainTerm::kHidden}};
  return terms.at(name);
}

engine::TrainingPlan PlanOf(const json& fields) {
  engine::TrainingPlan plan;
  plan.texts = fields["texts"].get<std::vector<std::string>>();
  for (const json& chat : fields["chats"]) {
    plan.chats.push_back({chat["prompt"].get<std::string>(), chat["response"].get<std::string>()});
  }
  for (const json& pair : fields["pairs"]) {
    plan.pairs.push_back({pair["prompt"].get<std::string>(), pair["chosen"].get<std::string>(),
                          pair["rejected"].get<std::string>()});
  }
  plan.objective = ObjectiveOf(fields["objective"].get<std::string>());
  plan.forget_weight = fields["forget_weight"].get<double>();
  plan.retain.term = RetainOf(fields["retain"].get<std::string>());
  plan.retain.weight = fields["retain_weight"].get<double>();
  plan.retain.texts = fields["retain_texts"].get<std::vector<std::string>>();
  plan.trained = fields["tuning"].get<std::string>() == "lora" ? engine::TrainedWeights::kLora
                                                               : engine::TrainedWeights::kFull;
  if (!fields["layers"].is_null()) {
    plan.layers =
        engine::LayerRange{fields["layers"][0].get<int>(), fields["layers"][1].get<int>()};
  }
  plan.lora.rank = fields["rank"].get<int>();
  plan.lora.alpha = fields["alpha"].get<double>();
  plan.lora.target_modules = fields["targets"].get<std::vector<std::string>>();
  plan.learning_rate = fields["learning_rate"].get<double>();
  plan.warmup_steps = fields["warmup_steps"].get<int>();
  plan.batch_size = fields["batch_size"].get<int>();
  plan.accumulation = fields["accumulation"].get<int>();
  plan.epochs = fields["epochs"].get<int>();
  plan.beta = fields["beta"].get<double>();
  plan.beta2 = fields["beta2"].get<double>();
  plan.margin = fields["margin"].get<double>();
  plan.strength = fields["strength"].get<double>();
  plan.layer = fields["layer"].get<int>();
  plan.max_gradient_norm = fields["max_gradient_norm"].get<double>();
  plan.cutoff_tokens = fields["cutoff_tokens"].get<int>();
  plan.seed = fields["seed"].get<uint64_t>();
  return plan;
}

}  // namespace

absl::StatusOr<std::vector<TrainingCase>> ReadTrainingCases(const std::filesystem::path& folder,
                                                            const std::string& model) {
  RWKU_ASSIGN_OR_RETURN(const std::string names, ReadFile(folder / absl::StrCat(model, ".json")));
  std::vector<TrainingCase> cases;
  for (const json& name : json::parse(names)) {
    TrainingCase one;
    one.name = name.get<std::string>();
    RWKU_ASSIGN_OR_RETURN(const std::string text,
                          ReadFile(folder / absl::StrCat(one.name, ".json")));
    const json fields = json::parse(text);
    one.tuning = fields["tuning"].get<std::string>();
    one.eos = fields["eos"].get<int32_t>();
    one.plan = PlanOf(fields);
    one.losses = fields["losses"].get<std::vector<double>>();
    cases.push_back(std::move(one));
  }
  return cases;
}

}  // namespace rwku::gpu_check
