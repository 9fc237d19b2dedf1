// The weights that train, for as long as a training runs.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/engine/engine.h"
#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

// Makes the weights want gradients, and when it dies puts all of them back to wanting none and
// frees the gradients. The model must outlive it.
class TrainableWeights {
 public:
  // kFull: every weight and no adapter; kLora: the adapters alone.
  TrainableWeights(CausalLm* model, TrainedWeights trained);
  ~TrainableWeights();
  TrainableWeights(const TrainableWeights&) = delete;
  TrainableWeights& operator=(const TrainableWeights&) = delete;

  const std::vector<at::Tensor>& tensors() const { return tensors_; }

 private:
  std::vector<at::Tensor> tensors_;
};

}  // namespace rwku::engine
