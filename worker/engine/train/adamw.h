// AdamW with clipping (Loshchilov and Hutter, 2019) over weights of any floating-point dtype.
#pragma once

#include <cstddef>
#include <cstdint>
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
  // Masters and moments lie on the host, pinned where the weights are on a GPU, and are updated
  // there. Same bits on a CPU.
  bool on_host = false;
};

// What a master begins with.
struct MasterStart {
  at::Tensor values;  // of any dtype and device; undefined: the weight's
  // The tensor itself becomes the master where it is as that is to be.
  bool may_be_taken = false;
};

// Holds two float32 moments a weight, or of the weights that are its own. A weight in float32 is
// updated in place. One in a narrower dtype has a master in float32, which is updated, and becomes
// the master rounded to its dtype; its gradient is of its dtype. Not thread-safe. Methods throw
// torch's exceptions.
class AdamW {
 public:
  // `parameters` are contiguous leaves; their gradients are read at every Step. `is_own`, one a
  // parameter, says which of them it updates; empty: all. `masters` are one a parameter, or none.
  AdamW(std::vector<at::Tensor> parameters, AdamWOptions options, std::vector<bool> is_own = {},
        const std::vector<MasterStart>& masters = {});

  bool IsOwn(size_t index) const { return is_own_.empty() || is_own_[index]; }

  // What is updated for parameter `index`, in float32: its master, or itself. Undefined where
  // another's.
  const at::Tensor& Master(size_t index) const { return states_[index].master; }
  // Whether the master is there, a tensor of its own.
  bool HasMaster(size_t index) const;

  // Of masters that are tensors of their own, and of moments.
  int64_t StateBytes() const;

  // L2 norm over all gradients; a weight without gradient counts as zero. Float32, where the
  // gradients are.
  at::Tensor GradientNorm() const;

  // One update of its own parameters at `learning_rate` with the gradients scaled by
  // min(1, max_gradient_norm / (norm + 1e-6)), as torch's clip_grad_norm_ does; `norm` is that of
  // all gradients and is finite. Drops all gradients.
  void Step(double learning_rate, double norm);

  // Frees or zeroes all gradients without an update.
  void DropGradients();

  // Whether the newest Step, at `learning_rate`, was too small for float32 to show in any element
  // of Master(index), which is its own. Without weight decay.
  bool RoundsAway(size_t index, double learning_rate) const;

 private:
  struct State {
    at::Tensor master;
    at::Tensor first_moment;
    at::Tensor second_moment;
    at::Tensor steps;  // one float32 number, as the fused kernel wants it
  };

  // Updates the weights `indices`, which are their own masters, at once.
  void StepInPlace(const std::vector<size_t>& indices, double learning_rate, double scale);
  // Updates one that has a master, piece by piece: beside it no more than a piece of the gradient
  // is ever in float32.
  void StepMaster(size_t index, double learning_rate, double scale);

  const std::vector<at::Tensor> parameters_;
  const AdamWOptions options_;
  const std::vector<bool> is_own_;
  int64_t steps_taken_ = 0;
  std::vector<State> states_;  // undefined tensors where another's
};

}  // namespace rwku::engine
