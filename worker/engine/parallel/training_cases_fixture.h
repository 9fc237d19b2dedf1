// Trainings small enough to run on several ranks in a test, and what to compare of them.
#pragma once

#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include <ATen/TensorOperators.h>

#include "base/cancel.h"
#include "base/status_macros.h"
#include "worker/engine/engine.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/number_tokenizer.h"
#include "worker/engine/train/train.h"

namespace rwku::engine {

struct TrainingCase {
  std::string name;
  TrainingPlan plan;
  bool ties_head = true;
  at::ScalarType dtype = at::kFloat;  // that the model computes in
};

struct CaseResult {
  std::vector<double> losses;
  std::vector<double> norms;
  int64_t reference_texts = 0;
  int64_t optimizer_bytes = 0;  // as planned
  int64_t held_optimizer_bytes = 0;
  int64_t held_gradient_bytes = 0;
  std::vector<float> weights;  // of the model and its adapters
};

inline std::unique_ptr<CausalLm> CaseModel(bool ties_head, at::ScalarType dtype = at::kFloat) {
  ModelConfig config;
  config.hidden_size = 16;
  config.intermediate_size = 40;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 4;
  config.vocab_size = 32;
  config.tie_word_embeddings = ties_head;
  return CausalLm::Random(config, /*seed=*/1, /*std=*/0.1, at::kCPU, dtype);
}

// Seven items in batches of three, two a step: neither divides by two or four ranks, and an epoch's
// last step is one batch of one item. Clipping is always active.
inline TrainingPlan CasePlan(Objective objective) {
  TrainingPlan plan;
  plan.objective = objective;
  const std::vector<std::string> texts = {"5 6 7 8",  "9 10 8",         "11 12 13 14 15 16", "17",
                                          "18 19 20", "21 22 23 24 25", "26 27 28"};
  for (size_t i = 0; i < texts.size(); ++i) {
    if (objective == Objective::kDpo) {
      plan.pairs.push_back({texts[i], texts[(i + 1) % 7], texts[(i + 2) % 7]});
    } else {
      plan.texts.push_back(texts[i]);
    }
  }
  plan.beta = 0.2;
  plan.learning_rate = 3e-4;
  plan.warmup_steps = 0;
  plan.batch_size = 3;
  plan.accumulation = 2;
  plan.epochs = 3;
  plan.max_gradient_norm = 0.05;
  plan.lora.rank = 4;
  plan.lora.target_modules = {"q_proj", "v_proj", "down_proj"};
  return plan;
}

inline std::vector<TrainingCase> TrainingCases() {
  std::vector<TrainingCase> cases;
  const std::vector<std::pair<std::string, Objective>> objectives = {
      {"ga", Objective::kGradientAscent}, {"npo", Objective::kNpo}, {"dpo", Objective::kDpo}};
  for (const auto& [name, objective] : objectives) {
    for (const bool lora : {false, true}) {
      for (const bool shards : {false, true}) {
        TrainingPlan plan = CasePlan(objective);
        plan.trained = lora ? TrainedWeights::kLora : TrainedWeights::kFull;
        plan.shard_optimizer_state = shards;
        cases.push_back(
            {absl::StrCat(name, lora ? " lora" : " full", shards ? " sharded" : ""), plan});
      }
    }
  }
  const auto add = [&](const std::string& name, Objective objective, auto change) {
    TrainingCase one{name, CasePlan(objective)};
    change(one);
    cases.push_back(std::move(one));
  };
  const auto retain = [](TrainingPlan& plan, RetainTerm term) {
    plan.retain = {.term = term, .weight = 0.5, .texts = {"6 5 4", "8 9 10 11", "30 29 28 27 26"}};
  };
  add("a head of its own", Objective::kGradientAscent,
      [](TrainingCase& c) { c.ties_head = false; });
  add("batches of one", Objective::kGradientAscent, [](TrainingCase& c) {
    c.plan.batch_size = 1;
    c.plan.accumulation = 1;
  });
  add("micro-batches", Objective::kNpo, [](TrainingCase& c) {
    c.plan.batch_size = 7;
    c.plan.micro_batch_parts = 4;
  });
  add("without clipping", Objective::kCausalLm,
      [](TrainingCase& c) { c.plan.max_gradient_norm = 1e6; });
  add("npo and nll", Objective::kNpo, [&](TrainingCase& c) { retain(c.plan, RetainTerm::kNll); });
  add("simnpo and kl", Objective::kSimNpo,
      [&](TrainingCase& c) { retain(c.plan, RetainTerm::kKl); });
  // The last pass of a step does not reach the weights above layer 0, an earlier one did.
  add("undial and hidden", Objective::kUndial, [&](TrainingCase& c) {
    retain(c.plan, RetainTerm::kHidden);
    c.plan.max_gradient_norm = 0.01;
  });
  add("rmu", Objective::kRmu, [](TrainingCase& c) { c.plan.strength = 3; });
  // Retain passes of one rank meet forget passes of another, and ranks that have none left.
  add("npo and hidden sharded", Objective::kNpo, [&](TrainingCase& c) {
    retain(c.plan, RetainTerm::kHidden);
    c.plan.shard_optimizer_state = true;
    c.plan.micro_batch_parts = 2;
  });
  add("a head of its own, sharded, on the host", Objective::kGradientAscent, [](TrainingCase& c) {
    c.ties_head = false;
    c.plan.shard_optimizer_state = true;
    c.plan.optimizer_on_host = true;
  });
  add("bfloat16", Objective::kNpo, [](TrainingCase& c) { c.dtype = at::kBFloat16; });
  add("bfloat16 sharded", Objective::kNpo, [](TrainingCase& c) {
    c.dtype = at::kBFloat16;
    c.plan.shard_optimizer_state = true;
  });
  add("one layer", Objective::kCeu, [](TrainingCase& c) { c.plan.layers = LayerRange{1, 2}; });
  return cases;
}

inline absl::StatusOr<CaseResult> RunCase(const TrainingCase& one, Gang* gang,
                                          const CancelToken& cancel) {
  const auto model = CaseModel(one.ties_head, one.dtype);
  TrainingPlan plan = one.plan;
  plan.gang = gang;
  HeldMemory held;
  TrainingContext context;
  context.held = &held;
  RWKU_ASSIGN_OR_RETURN(
      const TrainingReport report,
      TrainModel(*model, NumberTokenizer(32, /*eos_id=*/4), plan, {}, cancel, context));
  CaseResult result;
  for (const TrainingStep& step : report.steps) {
    result.losses.push_back(step.loss);
    result.norms.push_back(step.gradient_norm);
  }
  result.reference_texts = report.reference_texts_computed;
  result.optimizer_bytes = report.memory.optimizer_bytes;
  result.held_optimizer_bytes = held.optimizer_bytes;
  result.held_gradient_bytes = held.gradient_bytes;
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : model->NamedParameters()) {
    tensors.push_back(tensor);
  }
  for (const auto& [name, linear] : model->NamedLinears()) {
    if (linear->adapter.has_value()) {
      tensors.push_back(linear->adapter->a);
      tensors.push_back(linear->adapter->b);
    }
  }
  for (const at::Tensor& tensor : tensors) {
    const at::Tensor values = tensor.detach().to(at::kFloat).contiguous();
    const auto* const data = values.const_data_ptr<float>();
    result.weights.insert(result.weights.end(), data, data + values.numel());
  }
  return result;
}

// As text, exact.
inline std::string ToText(const CaseResult& result) {
  std::ostringstream out;
  out << std::hexfloat << result.reference_texts << ' ' << result.optimizer_bytes << ' '
      << result.held_optimizer_bytes << ' ' << result.held_gradient_bytes << ' '
      << result.losses.size() << ' ' << result.weights.size();
  for (size_t i = 0; i < result.losses.size(); ++i) {
    out << ' ' << result.losses[i] << ' ' << result.norms[i];
  }
  for (const float weight : result.weights) {
    out << ' ' << weight;
  }
  return out.str();
}

inline CaseResult FromText(const std::string& text) {
  std::istringstream in(text);
  const auto number = [&in] {
    // Streams do not read hexadecimal floating point back.
    std::string word;
    in >> word;
    return std::strtod(word.c_str(), nullptr);
  };
  CaseResult result;
  size_t steps = 0;
  size_t weights = 0;
  in >> result.reference_texts >> result.optimizer_bytes >> result.held_optimizer_bytes >>
      result.held_gradient_bytes >> steps >> weights;
  for (size_t i = 0; i < steps; ++i) {
    result.losses.push_back(number());
    result.norms.push_back(number());
  }
  for (size_t i = 0; i < weights; ++i) {
    result.weights.push_back(static_cast<float>(number()));
  }
  return result;
}

}  // namespace rwku::engine
