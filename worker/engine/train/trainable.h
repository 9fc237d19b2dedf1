// The weights that train, for as long as a training runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include <ATen/core/Tensor.h>

#include "worker/engine/engine.h"
#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

struct TrainableChoice {
  TrainedWeights trained = TrainedWeights::kFull;
  std::optional<LayerRange> layers;  // as TrainingPlan::layers
  // The loss is of this decoder layer's output: what comes after it has no part in it. Unset: of
  // the model's.
  std::optional<int> loss_layer;
};

// What `plan` trains: weights that its losses do not reach are left out.
TrainableChoice ChoiceOf(const TrainingPlan& plan);

// Makes the weights want gradients, and when it dies puts all of them back to wanting none and
// frees the gradients. The model must outlive it.
class TrainableWeights {
 public:
  // kFull: the weights of the choice and no adapter; kLora: the adapters alone.
  TrainableWeights(CausalLm* model, const TrainableChoice& choice);
  TrainableWeights(CausalLm* model, TrainedWeights trained)
      : TrainableWeights(model, TrainableChoice{trained, std::nullopt, std::nullopt}) {}
  ~TrainableWeights();
  TrainableWeights(const TrainableWeights&) = delete;
  TrainableWeights& operator=(const TrainableWeights&) = delete;

  const std::vector<at::Tensor>& tensors() const { return tensors_; }
  // As many; an adapter's are "NAME.lora_A" and "NAME.lora_B".
  const std::vector<NamedTensor>& named() const { return named_; }
  int64_t parameters() const;

 private:
  void Add(const std::string& name, const at::Tensor& tensor);

  std::vector<at::Tensor> tensors_;
  std::vector<NamedTensor> named_;
};

// The number of the decoder layer that a weight or projection belongs to, if it belongs to one.
std::optional<int> LayerOfName(absl::string_view name);

}  // namespace rwku::engine
