// What trainings did to the weights of a resident model since they were loaded or restored.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/adamw.h"
#include "worker/engine/train/trainable.h"

namespace rwku::engine {

struct WeightHistory {
  // Names of the weights, as NamedParameters() has them, that may not be the original's any more.
  std::set<std::string> changed;
  // Of those that trained in a narrower dtype, their float32 values, from which the next training
  // goes on: what a rounding would lose of small updates is kept. In a gang each rank has those
  // that it updated. The model's weights, which are evaluated and exported, are these, rounded.
  std::map<std::string, at::Tensor> masters;
};

// Merges the adapters of an earlier training, rounded to the dtype of the weights as peft rounds
// them. Their weights have changed then, and have no masters any more.
void MergeAdapters(CausalLm* model, WeightHistory* history);

// What the masters of `weights` begin with: kept ones, taken out of `history`, else, where the
// weight has not changed, those of `original` (in the order of the model's NamedParameters(), in
// the dtype of the file; null: none), else the weight. From now on the weights count as changed;
// adapters are none of them.
std::vector<MasterStart> TakeMasters(const CausalLm& model, const TrainableWeights& weights,
                                     const std::vector<at::Tensor>* original,
                                     WeightHistory* history);

// Keeps the masters that `optimizer` of `weights` ends with.
void KeepMasters(const TrainableWeights& weights, const AdamW& optimizer, WeightHistory* history);

}  // namespace rwku::engine
