#include "worker/engine/memory/model_size.h"

#include <algorithm>
#include <functional>
#include <numeric>
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

// Sizes of a layer's weights.
std::vector<int64_t> LayerWeights(const ModelConfig& config) {
  std::vector<int64_t> weights = {config.hidden_size, config.hidden_size};
  for (const Projection& projection : ProjectionsOf(config)) {
    weights.push_back(projection.inputs * projection.outputs);
  }
  if (config.HasQkvBias()) {
    const int64_t keys = config.num_key_value_heads * config.head_dim;
    weights.insert(weights.end(), {config.num_attention_heads * config.head_dim, keys, keys});
  }
  return weights;
}

// Of both factors of each adapter in a layer.
std::vector<int64_t> LayerAdapters(const TrainingPlan& plan, const ModelConfig& config) {
  std::vector<int64_t> weights;
  for (const Projection& projection : ProjectionsOf(config)) {
    if (HasAdapter(plan, projection.name)) {
      weights.push_back(plan.lora.rank * projection.inputs);
      weights.push_back(plan.lora.rank * projection.outputs);
    }
  }
  return weights;
}

int64_t Sum(const std::vector<int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), int64_t{0});
}

// Whether some loss is of the model's output, not of a layer's on the way.
bool ReachesOutput(const TrainingPlan& plan) {
  return plan.objective != Objective::kRmu || plan.retain.term == RetainTerm::kNll ||
         plan.retain.term == RetainTerm::kKl;
}

LayerRange RangeOf(const TrainingPlan& plan, const ModelConfig& config) {
  return plan.layers.value_or(LayerRange{0, static_cast<int>(config.num_hidden_layers)});
}

// Sizes of all weights that train.
std::vector<int64_t> TrainedSizes(const TrainingPlan& plan, const ModelConfig& config) {
  const LayerRange range = RangeOf(plan, config);
  const bool has_adapters = plan.trained == TrainedWeights::kLora;
  const std::vector<int64_t> layer =
      has_adapters ? LayerAdapters(plan, config) : LayerWeights(config);
  std::vector<int64_t> trained;
  for (int64_t i = range.begin; i < std::min<int64_t>(range.end, LayersBelowLoss(plan, config));
       ++i) {
    trained.insert(trained.end(), layer.begin(), layer.end());
  }
  if (!has_adapters && !plan.layers.has_value()) {
    const int64_t embedding = config.vocab_size * config.hidden_size;
    trained.push_back(embedding);
    if (ReachesOutput(plan)) {
      trained.push_back(config.hidden_size);
      if (!config.tie_word_embeddings) {
        trained.push_back(embedding);
      }
    }
  }
  return trained;
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
  const std::vector<int64_t> trained = TrainedSizes(plan, config);
  TrainingSize size;
  size.parameters = config.ParameterCount();
  size.trained = Sum(trained);
  size.largest = trained.empty() ? 0 : *std::max_element(trained.begin(), trained.end());
  if (plan.trained == TrainedWeights::kLora) {
    // Made in all layers of the range, also where no loss reaches them.
    const LayerRange range = RangeOf(plan, config);
    size.adapters = (range.end - range.begin) * Sum(LayerAdapters(plan, config));
  }
  return size;
}

int64_t LargestShare(const TrainingPlan& plan, const ModelConfig& config, int ranks) {
  std::vector<int64_t> trained = TrainedSizes(plan, config);
  std::sort(trained.begin(), trained.end(), std::greater<>());
  std::vector<int64_t> shares(static_cast<size_t>(std::max(1, ranks)), 0);
  for (const int64_t size : trained) {
    *std::min_element(shares.begin(), shares.end()) += size;
  }
  return *std::max_element(shares.begin(), shares.end());
}

}  // namespace rwku::engine
