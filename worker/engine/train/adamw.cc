#include "worker/engine/train/adamw.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

namespace rwku::engine {

AdamW::AdamW(std::vector<at::Tensor> parameters, AdamWOptions options, std::vector<bool> is_own)
    : parameters_(std::move(parameters)), options_(options), is_own_(std::move(is_own)) {
  const c10::AutoGradMode no_grad(false);
  first_moments_.resize(parameters_.size());
  second_moments_.resize(parameters_.size());
  steps_.resize(parameters_.size());
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (IsOwn(i)) {
      first_moments_[i] = at::zeros_like(parameters_[i]);
      second_moments_[i] = at::zeros_like(parameters_[i]);
      steps_[i] = at::zeros({}, parameters_[i].options());
    }
  }
}

double AdamW::GradientNorm() const {
  const c10::AutoGradMode no_grad(false);
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& parameter : parameters_) {
    if (parameter.grad().defined()) {
      gradients.push_back(parameter.grad());
    }
  }
  if (gradients.empty()) {
    return 0;
  }
  return at::stack(at::_foreach_norm(gradients, 2)).norm().item<double>();
}

void AdamW::Step(double learning_rate, double norm) {
  const c10::AutoGradMode no_grad(false);
  std::vector<at::Tensor> parameters;
  std::vector<at::Tensor> gradients;
  std::vector<at::Tensor> first_moments;
  std::vector<at::Tensor> second_moments;
  std::vector<at::Tensor> steps;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!IsOwn(i)) {
      continue;
    }
    const at::Tensor& gradient = parameters_[i].grad();
    parameters.push_back(parameters_[i]);
    gradients.push_back(gradient.defined() ? gradient : at::zeros_like(parameters_[i]));
    first_moments.push_back(first_moments_[i]);
    second_moments.push_back(second_moments_[i]);
    steps.push_back(steps_[i]);
  }
  if (parameters.empty()) {
    DropGradients();
    return;
  }
  at::_foreach_add_(steps, 1);
  // The kernel divides the gradients by grad_scale as it reads them: clipping costs no pass.
  std::optional<at::Tensor> divisor;
  const double scale = std::min(1.0, options_.max_gradient_norm / (norm + 1e-6));
  if (scale < 1.0) {
    divisor = at::full({}, 1.0 / scale, parameters_.front().options());
  }
  at::_fused_adamw_(parameters, gradients, first_moments, second_moments,
                    /*max_exp_avg_sqs=*/{}, steps, learning_rate, options_.beta1, options_.beta2,
                    options_.weight_decay, options_.epsilon, /*amsgrad=*/false,
                    /*maximize=*/false, divisor, /*found_inf=*/std::nullopt);
  DropGradients();
}

void AdamW::DropGradients() {
  const c10::AutoGradMode no_grad(false);
  for (const at::Tensor& parameter : parameters_) {
    if (options_.keeps_gradients && parameter.grad().defined()) {
      parameter.mutable_grad().zero_();
    } else {
      parameter.mutable_grad().reset();
    }
  }
}

bool AdamW::RoundsAway(size_t index, double learning_rate) const {
  const c10::AutoGradMode no_grad(false);
  // The kernel works in float32: an update at the very edge of rounding may go either way.
  constexpr double kEdge = 0.999;
  const auto steps = steps_[index].item<double>();
  const at::Tensor mean =
      first_moments_[index].to(at::kDouble) / (1 - std::pow(options_.beta1, steps));
  const at::Tensor square =
      second_moments_[index].to(at::kDouble) / (1 - std::pow(options_.beta2, steps));
  const at::Tensor update = mean / (square.sqrt() + options_.epsilon) * (learning_rate * kEdge);
  const at::Tensor& parameter = parameters_[index];
  return at::equal((parameter.to(at::kDouble) - update).to(at::kFloat), parameter);
}

}  // namespace rwku::engine
