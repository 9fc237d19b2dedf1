#include "worker/engine/cuda/mixed_adamw.h"

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include "worker/engine/cuda/launch.h"

namespace rwku::engine {
namespace {

bool IsFloatOrBfloat16(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16;
}

void CheckPart(const char* name, const at::Tensor& tensor, const at::Tensor& master) {
  TORCH_CHECK(tensor.is_contiguous() && tensor.device() == master.device() &&
                  tensor.numel() == master.numel(),
              "MixedAdamWStep: ", name, " has ", tensor.numel(), " elements on ", tensor.device(),
              tensor.is_contiguous() ? "" : ", not contiguous", "; the master has ", master.numel(),
              " on ", master.device());
}

}  // namespace

void MixedAdamWStep(const at::Tensor& master, const at::Tensor& m, const at::Tensor& v,
                    const at::Tensor& gradient, const at::Tensor* compute_copy,
                    const AdamWStep& step) {
  CheckPart("master", master, master);
  CheckPart("m", m, master);
  CheckPart("v", v, master);
  CheckPart("gradient", gradient, master);
  TORCH_CHECK(master.scalar_type() == at::kFloat && m.scalar_type() == at::kFloat &&
                  v.scalar_type() == at::kFloat,
              "MixedAdamWStep: master, m and v must be float32; they are ", master.scalar_type(),
              ", ", m.scalar_type(), " and ", v.scalar_type());
  TORCH_CHECK(IsFloatOrBfloat16(gradient), "MixedAdamWStep: the gradient is ",
              gradient.scalar_type(), "; float32 and bfloat16 are allowed");
  if (compute_copy != nullptr) {
    CheckPart("compute_copy", *compute_copy, master);
    TORCH_CHECK(IsFloatOrBfloat16(*compute_copy), "MixedAdamWStep: the compute copy is ",
                compute_copy->scalar_type(), "; float32 and bfloat16 are allowed");
  }
  TORCH_CHECK(step.step >= 1, "MixedAdamWStep: step ", step.step, "; the first is 1");
  if (master.is_cuda()) {
    cuda::LaunchMixedAdamW(master, m, v, gradient, compute_copy, step);
  } else {
    MixedAdamWStepReference(master, m, v, gradient, compute_copy, step);
  }
}

at::Tensor SquaredNorm(at::TensorList gradients) {
  for (const at::Tensor& gradient : gradients) {
    TORCH_CHECK(IsFloatOrBfloat16(gradient) && gradient.is_contiguous() &&
                    gradient.device() == gradients[0].device(),
                "SquaredNorm: a gradient of ", gradient.scalar_type(), " on ", gradient.device(),
                gradient.is_contiguous() ? "" : ", not contiguous",
                "; contiguous float32 and bfloat16 on one device are allowed");
  }
  if (!gradients.empty() && gradients[0].is_cuda()) {
    return cuda::LaunchSquaredNorm(gradients);
  }
  return SquaredNormReference(gradients);
}

}  // namespace rwku::engine
