#include <cstdint>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include "worker/engine/cuda/rotate_and_append.h"

namespace rwku::engine {
namespace {

// cos and sin are [T, 1, d / 2]. Each operator rounds to x's type.
void Rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const int64_t half = x.size(2) / 2;
  const at::Tensor low = x.narrow(2, 0, half);
  const at::Tensor high = x.narrow(2, half, half);
  x.copy_(at::cat({low * cos - high * sin, high * cos + low * sin}, 2));
}

}  // namespace

void RotateAndAppendReference(const RotateAndAppendArgs& args) {
  const c10::AutoGradMode no_grad(false);
  const auto type = args.q.scalar_type();
  const at::Tensor cos = args.cos.index_select(0, args.positions).unsqueeze(1).to(type);
  const at::Tensor sin = args.sin.index_select(0, args.positions).unsqueeze(1).to(type);
  Rotate(args.q, cos, sin);
  Rotate(args.k, cos, sin);
  args.keys.index_copy_(0, args.slots, args.k);
  args.values.index_copy_(0, args.slots, args.v);
}

}  // namespace rwku::engine
