#include "worker/engine/train/trainable.h"

namespace rwku::engine {

TrainableWeights::TrainableWeights(CausalLm* model, TrainedWeights trained) {
  for (const auto& [name, tensor] : model->NamedParameters()) {
    tensor.requires_grad_(trained == TrainedWeights::kFull);
    if (trained == TrainedWeights::kFull) {
      tensors_.push_back(tensor);
    }
  }
  if (trained == TrainedWeights::kLora) {
    for (const auto& [name, linear] : model->NamedLinears()) {
      if (linear->adapter.has_value()) {
        tensors_.push_back(linear->adapter->a.requires_grad_(true));
        tensors_.push_back(linear->adapter->b.requires_grad_(true));
      }
    }
  }
}

TrainableWeights::~TrainableWeights() {
  for (const at::Tensor& tensor : tensors_) {
    tensor.mutable_grad().reset();
    tensor.requires_grad_(false);
  }
}

}  // namespace rwku::engine
