// AdamW with clipping over float32 weights (Loshchilov and Hutter, 2019).
#pragma once

#include <cstddef>
#include <vector>

#include <ATen/core/Tensor.h>

namespace rwku::engine {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double max_gradient_norm = 1;  // global L2 norm
  // Gradients are zeroed where they would be freed: somebody else owns their memory.
  bool keeps_gradients = false;
};

// Holds two float32 moments a weight, or of the weights that are its own. Not thread-safe. Methods
// throw torch's exceptions.
class AdamW {
 public:
  // `parameters` are float32 leaves; their gradients are read at every Step. `is_own`, one a
  // parameter, says which of them it updates; empty: all.
  AdamW(std::vector<at::Tensor> parameters, AdamWOptions options, std::vector<bool> is_own = {});

  bool IsOwn(size_t index) const { return is_own_.empty() || is_own_[index]; }

  // L2 norm over all gradients; a weight without gradient counts as zero.
  double GradientNorm() const;

  // One update of its own parameters at `learning_rate` with the gradients scaled by
  // min(1, max_gradient_norm / (norm + 1e-6)), as torch's clip_grad_norm_ does; `norm` is what
  // GradientNorm() returned and is finite. Drops all gradients.
  void Step(double learning_rate, double norm);

  // Frees or zeroes all gradients without an update.
  void DropGradients();

  // Whether the newest Step, at `learning_rate`, was too small for float32 to show in any element
  // of parameter `index`, which is its own. Without weight decay.
  bool RoundsAway(size_t index, double learning_rate) const;

 private:
  const std::vector<at::Tensor> parameters_;
  const AdamWOptions options_;
  const std::vector<bool> is_own_;
  std::vector<at::Tensor> first_moments_;  // undefined where another's, as the next two
  std::vector<at::Tensor> second_moments_;
  std::vector<at::Tensor> steps_;  // one float32 number a weight, as the fused kernel wants it
};

}  // namespace rwku::engine
