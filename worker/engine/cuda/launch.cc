#include "worker/engine/cuda/launch.h"

#include <cmath>
#include <cstdint>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>
#include <c10/util/Exception.h>
#ifndef RWKU_CUDA_EMULATED
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#endif

#include "worker/engine/cuda/kernels.h"

namespace rwku::engine::cuda {
namespace {

NumberType TypeOf(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kFloat ? NumberType::kFloat32 : NumberType::kBfloat16;
}

#ifdef RWKU_CUDA_EMULATED  // a test, whose tensors are the host's
CUstream_st* Stream() { return nullptr; }
void CheckStart() {}
#else
// Of the guarded device.
CUstream_st* Stream() { return c10::cuda::getCurrentCUDAStream().stream(); }
void CheckStart() { C10_CUDA_KERNEL_LAUNCH_CHECK(); }
#endif

}  // namespace

void LaunchMixedAdamW(const at::Tensor& master, const at::Tensor& m, const at::Tensor& v,
                      const at::Tensor& gradient, const at::Tensor* compute_copy,
                      const AdamWStep& step) {
  const c10::DeviceGuard guard(master.device());
  const auto steps = static_cast<double>(step.step);
  MixedAdamWArguments arguments;
  arguments.master = master.mutable_data_ptr<float>();
  arguments.m = m.mutable_data_ptr<float>();
  arguments.v = v.mutable_data_ptr<float>();
  arguments.gradient = gradient.const_data_ptr();
  arguments.gradient_type = TypeOf(gradient);
  if (compute_copy != nullptr) {
    arguments.compute_copy = compute_copy->mutable_data_ptr();
    arguments.compute_copy_type = TypeOf(*compute_copy);
  }
  arguments.size = master.numel();
  arguments.gradient_scale = static_cast<float>(step.gradient_scale);
  arguments.kept = static_cast<float>(1 - step.learning_rate * step.weight_decay);
  arguments.one_minus_beta1 = static_cast<float>(1 - step.beta1);
  arguments.beta2 = static_cast<float>(step.beta2);
  arguments.one_minus_beta2 = static_cast<float>(1 - step.beta2);
  arguments.step_size = static_cast<float>(step.learning_rate / (1 - std::pow(step.beta1, steps)));
  arguments.inverse_root_correction =
      static_cast<float>(1 / std::sqrt(1 - std::pow(step.beta2, steps)));
  arguments.epsilon = static_cast<float>(step.epsilon);
  StartMixedAdamW(arguments, Stream());
  CheckStart();
}

at::Tensor LaunchSquaredNorm(at::TensorList gradients) {
  const c10::DeviceGuard guard(gradients[0].device());
  int64_t count = 0;
  for (const at::Tensor& gradient : gradients) {
    count += SquaredNormPartials(gradient.numel());
  }
  const auto options = gradients[0].options().dtype(at::kDouble);
  const at::Tensor partials = at::empty({count}, options);
  at::Tensor sum = at::empty({}, options);
  auto* partial = partials.mutable_data_ptr<double>();
  for (const at::Tensor& gradient : gradients) {
    if (gradient.numel() > 0) {
      StartPartialSquaredNorms(gradient.const_data_ptr(), TypeOf(gradient), gradient.numel(),
                               partial, Stream());
      CheckStart();
      partial += SquaredNormPartials(gradient.numel());
    }
  }
  StartSum(partials.const_data_ptr<double>(), count, sum.mutable_data_ptr<double>(), Stream());
  CheckStart();
  return sum;
}

void LaunchRotateAndAppend(const RotateAndAppendArgs& args) {
  const c10::DeviceGuard guard(args.q.device());
  RotateAndAppendArguments arguments;
  arguments.type = TypeOf(args.q);
  arguments.q = args.q.mutable_data_ptr();
  arguments.k = args.k.mutable_data_ptr();
  arguments.v = args.v.const_data_ptr();
  arguments.q_stride = args.q.stride(0);
  arguments.k_stride = args.k.stride(0);
  arguments.v_stride = args.v.stride(0);
  arguments.positions = args.positions.const_data_ptr<int64_t>();
  arguments.cos = args.cos.const_data_ptr<float>();
  arguments.sin = args.sin.const_data_ptr<float>();
  arguments.table_size = args.cos.size(0);
  arguments.slots = args.slots.const_data_ptr<int64_t>();
  arguments.keys = args.keys.mutable_data_ptr();
  arguments.values = args.values.mutable_data_ptr();
  arguments.arena_size = args.keys.size(0);
  arguments.tokens = args.q.size(0);
  arguments.heads = static_cast<int>(args.q.size(1));
  arguments.kv_heads = static_cast<int>(args.k.size(1));
  arguments.dim = static_cast<int>(args.q.size(2));
  StartRotateAndAppend(arguments, Stream());
  CheckStart();
}

LogitStatistics LaunchLogitStatistics(const at::Tensor& logits) {
  constexpr int64_t kMaxColumns = int64_t{1} << 30;
  TORCH_CHECK(logits.size(1) < kMaxColumns, "SummarizeLogits: ", logits.size(1),
              " columns; fewer than ", kMaxColumns, " are allowed");
  const c10::DeviceGuard guard(logits.device());
  LogitStatistics statistics;
  statistics.sums = at::empty({logits.size(0), 4}, logits.options().dtype(at::kFloat));
  statistics.arg_max = at::empty({logits.size(0)}, logits.options().dtype(at::kLong));
  StartSummarizeLogits(logits.const_data_ptr(), TypeOf(logits), logits.size(0), logits.stride(0),
                       static_cast<int>(logits.size(1)), statistics.sums.mutable_data_ptr<float>(),
                       statistics.arg_max.mutable_data_ptr<int64_t>(), Stream());
  CheckStart();
  return statistics;
}

}  // namespace rwku::engine::cuda
