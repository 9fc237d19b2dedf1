#include "worker/engine/train/weight_history.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "base/check.h"
#include "worker/engine/train/lora.h"

namespace rwku::engine {

void MergeAdapters(CausalLm* model, WeightHistory* history) {
  for (const auto& [name, linear] : model->NamedLinears()) {
    if (linear->adapter.has_value()) {
      const std::string weight = absl::StrCat(name, ".weight");
      history->changed.insert(weight);
      history->masters.erase(weight);
    }
  }
  MergeAdapters(model);
}

std::vector<MasterStart> TakeMasters(const CausalLm& model, const TrainableWeights& weights,
                                     const std::vector<at::Tensor>* original,
                                     WeightHistory* history) {
  std::map<std::string, size_t> indices;
  for (const auto& [name, tensor] : model.NamedParameters()) {
    indices.emplace(name, indices.size());
  }
  RWKU_CHECK(original == nullptr || original->size() == indices.size());
  std::vector<MasterStart> masters;
  for (const auto& [name, tensor] : weights.named()) {
    MasterStart& start = masters.emplace_back();
    const auto index = indices.find(name);
    if (index == indices.end()) {
      continue;
    }
    const bool is_original = history->changed.insert(name).second;
    if (auto kept = history->masters.extract(name); !kept.empty()) {
      start = {std::move(kept.mapped()), /*may_be_taken=*/true};
    } else if (is_original && original != nullptr) {
      start.values = (*original)[index->second];
    }
  }
  return masters;
}

void KeepMasters(const TrainableWeights& weights, const AdamW& optimizer, WeightHistory* history) {
  for (size_t i = 0; i < weights.named().size(); ++i) {
    if (optimizer.HasMaster(i)) {
      history->masters.insert_or_assign(weights.named()[i].first, optimizer.Master(i));
    }
  }
}

}  // namespace rwku::engine
