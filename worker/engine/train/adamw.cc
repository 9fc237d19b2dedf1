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
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include "worker/engine/cuda/mixed_adamw.h"

namespace rwku::engine {
namespace {

// Elements of a weight that are updated at a time.
constexpr int64_t kPiece = int64_t{1} << 24;

// Divides the gradients: the kernel applies it as it reads them, clipping costs no pass.
std::optional<at::Tensor> Divisor(double scale, const at::TensorOptions& options) {
  return scale < 1.0 ? std::optional<at::Tensor>(at::full({}, 1.0 / scale, options)) : std::nullopt;
}

// Memory on the host that a GPU copies to and from at the bus's speed, like `other`.
at::Tensor Staging(const at::Tensor& other, bool for_gpu) {
  return at::empty(other.sizes(),
                   at::TensorOptions().dtype(other.scalar_type()).pinned_memory(for_gpu));
}

// A piece of a gradient, where its master is.
at::Tensor BesideMaster(const at::Tensor& gradient, const at::Tensor& master) {
  if (gradient.device() == master.device()) {
    return gradient;
  }
  at::Tensor staged = Staging(gradient, gradient.is_cuda());
  staged.copy_(gradient);
  return staged;
}

// A piece of a weight becomes its master, rounded.
void RoundInto(const at::Tensor& master, const at::Tensor& weight) {
  if (weight.device() == master.device()) {
    weight.copy_(master);
    return;
  }
  at::Tensor staged = Staging(weight, weight.is_cuda());
  staged.copy_(master);
  weight.copy_(staged, /*non_blocking=*/true);
}

}  // namespace

AdamW::AdamW(std::vector<at::Tensor> parameters, AdamWOptions options, std::vector<bool> is_own,
             const std::vector<MasterStart>& masters)
    : parameters_(std::move(parameters)),
      options_(options),
      is_own_(std::move(is_own)),
      states_(parameters_.size()) {
  const c10::AutoGradMode no_grad(false);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!IsOwn(i)) {
      continue;
    }
    const at::Tensor& parameter = parameters_[i];
    State& state = states_[i];
    if (!options_.on_host && parameter.scalar_type() == at::kFloat) {
      state.master = parameter;
    } else {
      auto place = at::TensorOptions().dtype(at::kFloat).device(parameter.device());
      if (options_.on_host) {
        place = place.device(at::kCPU).pinned_memory(parameter.is_cuda());
      }
      const MasterStart start = masters.empty() ? MasterStart{} : masters[i];
      if (start.may_be_taken && start.values.scalar_type() == at::kFloat &&
          start.values.device() == place.device() &&
          start.values.is_pinned() == place.pinned_memory()) {
        state.master = start.values;
      } else {
        state.master = at::empty(parameter.sizes(), place);
        state.master.copy_(start.values.defined() ? start.values : parameter.detach());
      }
    }
    state.first_moment = at::zeros_like(state.master);
    state.second_moment = at::zeros_like(state.master);
    state.steps = at::zeros({}, at::TensorOptions(state.master.device()).dtype(at::kFloat));
  }
}

bool AdamW::HasMaster(size_t index) const {
  return states_[index].master.defined() && !states_[index].master.is_same(parameters_[index]);
}

int64_t AdamW::StateBytes() const {
  int64_t bytes = 0;
  for (size_t i = 0; i < states_.size(); ++i) {
    if (IsOwn(i)) {
      bytes += static_cast<int64_t>(states_[i].first_moment.nbytes() +
                                    states_[i].second_moment.nbytes() +
                                    (HasMaster(i) ? states_[i].master.nbytes() : 0));
    }
  }
  return bytes;
}

at::Tensor AdamW::GradientNorm() const {
  const c10::AutoGradMode no_grad(false);
  // A list of one dtype is what the fast kernels take.
  std::vector<at::Tensor> wide;
  std::vector<at::Tensor> narrow;
  for (const at::Tensor& parameter : parameters_) {
    if (const at::Tensor& gradient = parameter.grad(); gradient.defined()) {
      (gradient.scalar_type() == at::kFloat ? wide : narrow).push_back(gradient);
    }
  }
  std::vector<at::Tensor> norms;
  for (const std::vector<at::Tensor>& gradients : {wide, narrow}) {
    if (!gradients.empty()) {
      const std::vector<at::Tensor> some = at::_foreach_norm(gradients, 2, at::kFloat);
      norms.insert(norms.end(), some.begin(), some.end());
    }
  }
  return norms.empty() ? at::zeros({}, at::TensorOptions(parameters_.front().device()))
                       : at::stack(norms).norm();
}

void AdamW::Step(double learning_rate, double norm) {
  const c10::AutoGradMode no_grad(false);
  const double scale = std::min(1.0, options_.max_gradient_norm / (norm + 1e-6));
  ++steps_taken_;
  std::vector<size_t> in_place;
  std::vector<at::Tensor> steps;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (IsOwn(i)) {
      steps.push_back(states_[i].steps);
      if (!HasMaster(i)) {
        in_place.push_back(i);
      }
    }
  }
  if (!steps.empty()) {
    at::_foreach_add_(steps, 1);
  }
  if (!in_place.empty()) {
    StepInPlace(in_place, learning_rate, scale);
  }
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (HasMaster(i)) {
      StepMaster(i, learning_rate, scale);
    }
  }
  DropGradients();
}

void AdamW::StepInPlace(const std::vector<size_t>& indices, double learning_rate, double scale) {
  std::vector<at::Tensor> parameters;
  std::vector<at::Tensor> gradients;
  std::vector<at::Tensor> first_moments;
  std::vector<at::Tensor> second_moments;
  std::vector<at::Tensor> steps;
  for (const size_t i : indices) {
    const at::Tensor& gradient = parameters_[i].grad();
    parameters.push_back(parameters_[i]);
    gradients.push_back(gradient.defined() ? gradient : at::zeros_like(parameters_[i]));
    first_moments.push_back(states_[i].first_moment);
    second_moments.push_back(states_[i].second_moment);
    steps.push_back(states_[i].steps);
  }
  at::_fused_adamw_(parameters, gradients, first_moments, second_moments,
                    /*max_exp_avg_sqs=*/{}, steps, learning_rate, options_.beta1, options_.beta2,
                    options_.weight_decay, options_.epsilon, /*amsgrad=*/false,
                    /*maximize=*/false, Divisor(scale, parameters.front().options()),
                    /*found_inf=*/std::nullopt);
}

void AdamW::StepMaster(size_t index, double learning_rate, double scale) {
  const State& state = states_[index];
  const at::Tensor& gradient = parameters_[index].grad();
  if (!options_.on_host && gradient.defined()) {
    const at::Tensor copy = parameters_[index].detach();
    MixedAdamWStep(state.master, state.first_moment, state.second_moment, gradient.contiguous(),
                   &copy,
                   {.learning_rate = learning_rate,
                    .beta1 = options_.beta1,
                    .beta2 = options_.beta2,
                    .epsilon = options_.epsilon,
                    .weight_decay = options_.weight_decay,
                    .step = steps_taken_,
                    .gradient_scale = scale});
    return;
  }
  const at::Tensor parameter = parameters_[index].detach().view({-1});
  const at::Tensor master = state.master.view({-1});
  const at::Tensor first = state.first_moment.view({-1});
  const at::Tensor second = state.second_moment.view({-1});
  const auto options = at::TensorOptions(master.device()).dtype(at::kFloat);
  const std::optional<at::Tensor> divisor = Divisor(scale, options);
  for (int64_t begin = 0; begin < master.numel(); begin += kPiece) {
    const int64_t end = std::min(begin + kPiece, master.numel());
    // A copy, which the kernel writes over.
    at::Tensor piece = at::empty({end - begin}, options);
    if (gradient.defined()) {
      piece.copy_(BesideMaster(gradient.view({-1}).slice(0, begin, end), master));
    } else {
      piece.zero_();
    }
    const at::Tensor updated = master.slice(0, begin, end);
    at::_fused_adamw_({updated}, {piece}, {first.slice(0, begin, end)},
                      {second.slice(0, begin, end)}, /*max_exp_avg_sqs=*/{}, {state.steps},
                      learning_rate, options_.beta1, options_.beta2, options_.weight_decay,
                      options_.epsilon, /*amsgrad=*/false, /*maximize=*/false, divisor,
                      /*found_inf=*/std::nullopt);
    RoundInto(updated, parameter.slice(0, begin, end));
  }
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
  const State& state = states_[index];
  const auto steps = state.steps.item<double>();
  // Piece by piece: float64 copies of the largest weight of a large model would not fit beside it.
  for (int64_t begin = 0; begin < state.master.numel(); begin += kPiece) {
    const auto piece = [&](const at::Tensor& whole) {
      return whole.view({-1}).slice(0, begin, begin + kPiece);
    };
    const at::Tensor mean =
        piece(state.first_moment).to(at::kDouble) / (1 - std::pow(options_.beta1, steps));
    const at::Tensor square =
        piece(state.second_moment).to(at::kDouble) / (1 - std::pow(options_.beta2, steps));
    const at::Tensor update = mean / (square.sqrt() + options_.epsilon) * (learning_rate * kEdge);
    const at::Tensor master = piece(state.master);
    if (!at::equal((master.to(at::kDouble) - update).to(at::kFloat), master)) {
      return false;
    }
  }
  return true;
}

}  // namespace rwku::engine
