// A build without CUDA: tensors of a CUDA device take the references.
#include <ATen/core/Tensor.h>

#include "worker/engine/cuda/launch.h"

namespace rwku::engine::cuda {

void LaunchMixedAdamW(const at::Tensor& master, const at::Tensor& m, const at::Tensor& v,
                      const at::Tensor& gradient, const at::Tensor* compute_copy,
                      const AdamWStep& step) {
  MixedAdamWStepReference(master, m, v, gradient, compute_copy, step);
}

at::Tensor LaunchSquaredNorm(at::TensorList gradients) { return SquaredNormReference(gradients); }

void LaunchRotateAndAppend(const RotateAndAppendArgs& args) { RotateAndAppendReference(args); }

LogitStatistics LaunchLogitStatistics(const at::Tensor& logits) {
  return SummarizeLogitsReference(logits);
}

}  // namespace rwku::engine::cuda
