// AdamW over float32 masters whose gradients and compute copies may be bfloat16, and the norm that
// clipping divides by. torch's fused optimizer takes one type for all of its tensors.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace rwku::engine {

// One step of AdamW (Loshchilov and Hutter, 2019), without AMSGrad.
struct AdamWStep {
  double learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  int64_t step = 1;           // of the weight, this one included
  double gradient_scale = 1;  // what gradients are multiplied by: below 1 where they are clipped
};

// g = gradient * gradient_scale; m += (1 - beta1) (g - m); v = beta2 v + (1 - beta2) g^2;
// master = (1 - learning_rate weight_decay) master
//          - learning_rate / (1 - beta1^step) m / (sqrt(v) / sqrt(1 - beta2^step) + epsilon),
// all in float32; then compute_copy = master, rounded to the nearest even. `master`, `m` and `v`
// are float32; `gradient` is float32 or bfloat16 and is not changed; `compute_copy`, of the same
// two types, may be null. All are contiguous, of one device and one number of elements: parts of a
// weight are as good as whole ones. No element depends on another. On a CUDA device it is one pass
// on the current stream, without synchronisation; elsewhere the reference runs.
// Throws torch's exceptions.
void MixedAdamWStep(const at::Tensor& master, const at::Tensor& m, const at::Tensor& v,
                    const at::Tensor& gradient, const at::Tensor* compute_copy,
                    const AdamWStep& step);

// The sum of the squares of all elements of `gradients`, which are contiguous, float32 or bfloat16,
// and of one device: a float64 tensor [] on that device, 0 on the CPU for no gradient. NaN or
// infinite where an element is. The order of the sum depends on the shapes alone. On a CUDA device
// it runs on the current stream, without synchronisation. Throws torch's exceptions.
at::Tensor SquaredNorm(at::TensorList gradients);

// The same from aten's operators, on any device, with temporaries of a few MiB.
void MixedAdamWStepReference(const at::Tensor& master, const at::Tensor& m, const at::Tensor& v,
                             const at::Tensor& gradient, const at::Tensor* compute_copy,
                             const AdamWStep& step);
at::Tensor SquaredNormReference(at::TensorList gradients);

}  // namespace rwku::engine
