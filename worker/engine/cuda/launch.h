// The passes on a CUDA device: arguments are those that mixed_adamw.h, rotate_and_append.h and
// logit_statistics.h allow, on a CUDA device, and are not checked again. Each guards the device of
// its tensors, starts its kernels on that device's current stream and does not wait for them.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/engine/cuda/logit_statistics.h"
#include "worker/engine/cuda/mixed_adamw.h"
#include "worker/engine/cuda/rotate_and_append.h"

namespace rwku::engine::cuda {

void LaunchMixedAdamW(const at::Tensor& master, const at::Tensor& m, const at::Tensor& v,
                      const at::Tensor& gradient, const at::Tensor* compute_copy,
                      const AdamWStep& step);
at::Tensor LaunchSquaredNorm(at::TensorList gradients);
void LaunchRotateAndAppend(const RotateAndAppendArgs& args);
LogitStatistics LaunchLogitStatistics(const at::Tensor& logits);

}  // namespace rwku::engine::cuda
