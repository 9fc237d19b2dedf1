// A published recipe on a card, as the tables of this folder ask for it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "base/check.h"
#include "base/status_macros.h"
#include "benchmark/methods/method_info.h"
#include "benchmark/methods/recipe.h"
#include "benchmark/methods/registry.h"
#include "worker/engine/memory/host_needs.h"
#include "worker/engine/memory/inference_memory.h"
#include "worker/engine/memory/training_memory.h"
#include "worker/job/training_plan.h"

namespace rwku {

// Typical tokens of an item of a corpus: of RWKU's positive texts, of a pair's two answers with
// their prompt, of a question and its refusal, of a passage that is cut off.
inline int64_t TypicalTokens(const std::string& corpus) {
  if (corpus == "pair") {
    return 820;
  }
  if (corpus == "reject") {
    return 75;
  }
  return corpus == "passage" ? 512 : 330;
}

// Texts of a target, and as many to keep, of typical length.
inline constexpr int64_t kTargetTokens = int64_t{582} * 330;

struct PlannedTraining {
  engine::TrainingPlan plan;
  engine::TrainingFacts facts;
  absl::StatusOr<engine::ChosenMemoryPlan> chosen;
};

// `facts` with the items of `method`, planned; where they have a device's size, nothing else is on
// it.
inline absl::StatusOr<PlannedTraining> Plan(const methods::MethodInfo& method,
                                            const methods::Recipe& recipe,
                                            engine::TrainingFacts facts) {
  RWKU_ASSIGN_OR_RETURN(
      engine::TrainingPlan plan,
      job::MakeTrainingPlan(method, recipe, {.model_layers = facts.config.num_hidden_layers}, {}));
  plan.shard_optimizer_state = facts.ranks > 1;
  facts.item_tokens.assign(100, TypicalTokens(method.corpus));
  if (plan.retain.term != engine::RetainTerm::kNone) {
    facts.retain_tokens.assign(100, TypicalTokens("positive"));
  }
  if (facts.device_bytes > 0) {
    facts.available_bytes = engine::AvailableForTraining(plan, facts, facts.device_bytes);
  }
  absl::StatusOr<engine::ChosenMemoryPlan> chosen = engine::PlanTrainingMemory(plan, facts);
  return PlannedTraining{std::move(plan), std::move(facts), std::move(chosen)};
}

// In bfloat16 on a GPU; several ranks share the optimizer's state.
inline absl::StatusOr<PlannedTraining> PlanOnCard(const methods::MethodInfo& method,
                                                  const methods::Recipe& recipe,
                                                  const engine::ModelConfig& config,
                                                  int64_t device_bytes, int ranks,
                                                  bool optimizer_on_host) {
  engine::TrainingFacts facts;
  facts.config = config;
  facts.on_gpu = true;
  facts.compute_bytes = 2;
  facts.ranks = ranks;
  facts.optimizer_on_host = optimizer_on_host;
  facts.device_bytes = device_bytes;
  return Plan(method, recipe, std::move(facts));
}

// The most that a worker needs of its host over the trainings of `config`, one item at a time, that
// fit its card: every method's with one of `tunings`. `card_bytes` 0 stands for a processor.
inline int64_t LargestHostNeed(const engine::ModelConfig& config,
                               const std::vector<methods::Tuning>& tunings, int64_t card_bytes,
                               bool optimizer_on_host) {
  engine::InferenceFacts asked;
  asked.config = config;
  const absl::StatusOr<engine::InferencePlan> answering = engine::PlanInference(asked);
  RWKU_CHECK(answering.ok());
  int64_t largest = 0;
  for (const methods::MethodInfo& method : methods::ListMethods(config.model_type)) {
    for (methods::Recipe recipe : method.defaults) {
      if (std::find(tunings.begin(), tunings.end(), recipe.tuning) == tunings.end()) {
        continue;
      }
      recipe.batch_size = 1;
      engine::TrainingFacts facts;
      facts.config = config;
      const auto planned =
          card_bytes > 0 ? PlanOnCard(method, recipe, config, card_bytes, 1, optimizer_on_host)
                         : Plan(method, recipe, std::move(facts));
      RWKU_CHECK(planned.ok());
      if (planned->chosen.ok()) {
        const engine::HostNeeds needs = engine::PlanHostMemory(
            planned->plan, planned->facts, planned->chosen->plan,
            {.answering_bytes = answering->kv_bytes + answering->workspace_bytes,
             .forget_tokens = kTargetTokens,
             .retain_tokens = kTargetTokens});
        largest = std::max(largest, needs.total_bytes);
      }
    }
  }
  return largest;
}

inline const std::vector<methods::Tuning>& EveryTuning() {
  static const auto& tunings = *new std::vector<methods::Tuning>{
      methods::Tuning::kFull, methods::Tuning::kLora, methods::Tuning::kPartial};
  return tunings;
}

}  // namespace rwku
