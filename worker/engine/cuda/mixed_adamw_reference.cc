#include <algorithm>
#include <cmath>
#include <cstdint>

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "worker/engine/cuda/mixed_adamw.h"

namespace rwku::engine {
namespace {

// Elements that are worked on together: their temporaries stay in a processor's cache.
constexpr int64_t kChunk = int64_t{1} << 17;

}  // namespace

void MixedAdamWStepReference(const at::Tensor& master, const at::Tensor& m, const at::Tensor& v,
                             const at::Tensor& gradient, const at::Tensor* compute_copy,
                             const AdamWStep& step) {
  const c10::AutoGradMode no_grad(false);
  const auto steps = static_cast<double>(step.step);
  const double step_size = step.learning_rate / (1 - std::pow(step.beta1, steps));
  const double root_correction = std::sqrt(1 - std::pow(step.beta2, steps));
  const at::Tensor flat_master = master.view(-1);
  const at::Tensor flat_m = m.view(-1);
  const at::Tensor flat_v = v.view(-1);
  const at::Tensor flat_gradient = gradient.view(-1);
  for (int64_t begin = 0; begin < master.numel(); begin += kChunk) {
    const int64_t size = std::min(kChunk, master.numel() - begin);
    at::Tensor w = flat_master.narrow(0, begin, size);
    at::Tensor mean = flat_m.narrow(0, begin, size);
    at::Tensor square = flat_v.narrow(0, begin, size);
    at::Tensor g = flat_gradient.narrow(0, begin, size).to(at::kFloat);
    if (step.gradient_scale != 1) {
      g = g.mul(step.gradient_scale);
    }
    if (step.weight_decay != 0) {
      w.mul_(1 - step.learning_rate * step.weight_decay);
    }
    mean.lerp_(g, 1 - step.beta1);
    square.mul_(step.beta2).addcmul_(g, g, 1 - step.beta2);
    const at::Tensor divisor = square.sqrt().div_(root_correction).add_(step.epsilon);
    w.addcdiv_(mean, divisor, -step_size);
    if (compute_copy != nullptr) {
      compute_copy->view(-1).narrow(0, begin, size).copy_(w);
    }
  }
}

at::Tensor SquaredNormReference(at::TensorList gradients) {
  const c10::AutoGradMode no_grad(false);
  at::Tensor total;
  for (const at::Tensor& gradient : gradients) {
    if (!total.defined()) {
      total = at::zeros({}, gradient.options().dtype(at::kDouble));
    }
    const at::Tensor flat = gradient.view(-1);
    for (int64_t begin = 0; begin < flat.numel(); begin += kChunk) {
      const int64_t size = std::min(kChunk, flat.numel() - begin);
      const at::Tensor part = flat.narrow(0, begin, size).to(at::kDouble);
      total.add_(part.square().sum());
    }
  }
  return total.defined() ? total : at::zeros({}, at::kDouble);
}

}  // namespace rwku::engine
