#include "worker/engine/memory/model_size.h"

#include <algorithm>
#include <vector>

namespace rwku::engine {
namespace {

struct Projection {
  const char* name;
  int64_t inputs;
  int64_t outputs;
};

std::vector<Projection> ProjectionsOf(const ModelConfig& config) {
  const int64_t hidden = config.hidden_size;
  const int64_t inner = config.intermediate_size;
  const int64_t queries = config.num_attention_heads * config.head_dim;
  const int64_t keys = config.num_key_value_heads * config.head_dim;
  if (config.HasFusedProjections()) {
    return {{"qkv_proj", hidden, queries + 2 * keys},
            {"o_proj", queries, hidden},
            {"gate_up_proj", hidden, 2 * inner},
            {"down_proj", inner, hidden}};
  }
  return {{"q_proj", hidden, queries}, {"k_proj", hidden, keys},     {"v_proj", hidden, keys},
          {"o_proj", queries, hidden}, {"gate_proj", hidden, inner}, {"up_proj", hidden, inner},
          {"down_proj", inner, hidden}};
}

int64_t LayerParameters(const ModelConfig& config) {
  int64_t count = 2 * config.hidden_size;
  for (const Projection& projection : ProjectionsOf(config)) {
    count += projection.inputs * projection.outputs;
  }
  if (config.HasQkvBias()) {
    count += config.head_dim * (config.num_attention_heads + 2 * config.num_key_value_heads);
  }
  return count;
}

int64_t AdapterParameters(const TrainingPlan& plan, const ModelConfig& config) {
  int64_t count = 0;
  for (const Projection& projection : ProjectionsOf(config)) {
    if (HasAdapter(plan, projection.name)) {
      count += plan.lora.rank * (projection.inputs + projection.outputs);
    }
  }
  return count;
}

// Whether some loss is of the model's output, not of a layer's on the way.
bool ReachesOutput(const TrainingPlan& plan) {
  return plan.objective != Objective::kRmu || plan.retain.term == RetainTerm::kNll ||
         plan.retain.term == RetainTerm::kKl;
}

}  // namespace

bool HasAdapter(const TrainingPlan& plan, absl::string_view projection) {
  const std::vector<std::string>& modules = plan.lora.target_modules;
  return plan.trained == TrainedWeights::kLora &&
         std::find(modules.begin(), modules.end(), projection) != modules.end();
}

int64_t LayersBelowLoss(const TrainingPlan& plan, const ModelConfig& config) {
  return ReachesOutput(plan) ? config.num_hidden_layers
                             : std::min<int64_t>(plan.layer + 1, config.num_hidden_layers);
}

TrainingSize SizeOf(const TrainingPlan& plan, const ModelConfig& config) {
  TrainingSize size;
  size.parameters = config.ParameterCount();
  const int64_t below_loss = LayersBelowLoss(plan, config);
  const LayerRange range =
      plan.layers.value_or(LayerRange{0, static_cast<int>(config.num_hidden_layers)});
  const int64_t layers =
      std::max<int64_t>(std::min<int64_t>(range.end, below_loss) - range.begin, 0);
  if (plan.trained == TrainedWeights::kLora) {
    // Adapters are made in all layers of the range, also where no loss reaches them.
    const int64_t a_layer = AdapterParameters(plan, config);
    size.adapters = a_layer * (range.end - range.begin);
    size.trained = a_layer * layers;
    return size;
  }
  size.trained = layers * LayerParameters(config);
  if (!plan.layers.has_value()) {
    const int64_t embedding = config.vocab_size * config.hidden_size;
    size.trained += embedding;
    if (ReachesOutput(plan)) {
      size.trained += config.hidden_size + (config.tie_word_embeddings ? 0 : embedding);
    }
  }
  return size;
}

int64_t LargestWeight(const ModelConfig& config) {
  int64_t largest = config.vocab_size * config.hidden_size;
  for (const Projection& projection : ProjectionsOf(config)) {
    largest = std::max(largest, projection.inputs * projection.outputs);
  }
  return largest;
}

}  // namespace rwku::engine
