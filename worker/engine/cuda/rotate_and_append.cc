#include "worker/engine/cuda/rotate_and_append.h"

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include "worker/engine/cuda/launch.h"

namespace rwku::engine {
namespace {

void CheckHeads(const char* name, const at::Tensor& x, const at::Tensor& q, int64_t heads) {
  TORCH_CHECK(x.dim() == 3 && x.size(0) == q.size(0) && x.size(1) == heads &&
                  x.size(2) == q.size(2) && x.stride(2) == 1 && x.stride(1) == x.size(2) &&
                  x.scalar_type() == q.scalar_type() && x.device() == q.device(),
              "RotateAndAppend: ", name, " is ", x.scalar_type(), " ", x.sizes(), " with strides ",
              x.strides(), " on ", x.device(), "; beside q of ", q.scalar_type(), " ", q.sizes(),
              " on ", q.device(), " it must be [", q.size(0), ", ", heads, ", ", q.size(2),
              "], dense within a row");
}

void CheckPerToken(const char* name, const at::Tensor& x, const at::Tensor& q) {
  TORCH_CHECK(x.dim() == 1 && x.size(0) == q.size(0) && x.scalar_type() == at::kLong &&
                  x.is_contiguous() && x.device() == q.device(),
              "RotateAndAppend: ", name, " is ", x.scalar_type(), " ", x.sizes(), " on ",
              x.device(), "; it must be int64 [", q.size(0), "] on ", q.device());
}

void CheckTable(const char* name, const at::Tensor& x, const at::Tensor& cos, const at::Tensor& q) {
  TORCH_CHECK(x.dim() == 2 && x.size(1) == q.size(2) / 2 && x.sizes() == cos.sizes() &&
                  x.scalar_type() == at::kFloat && x.is_contiguous() && x.device() == q.device(),
              "RotateAndAppend: ", name, " is ", x.scalar_type(), " ", x.sizes(), " on ",
              x.device(), "; it must be float32 [", cos.size(0), ", ", q.size(2) / 2, "] on ",
              q.device());
}

void CheckArena(const char* name, const at::Tensor& x, const RotateAndAppendArgs& args) {
  TORCH_CHECK(x.dim() == 3 && x.sizes() == args.keys.sizes() && x.size(1) == args.k.size(1) &&
                  x.size(2) == args.q.size(2) && x.is_contiguous() &&
                  x.scalar_type() == args.q.scalar_type() && x.device() == args.q.device(),
              "RotateAndAppend: ", name, " is ", x.scalar_type(), " ", x.sizes(), " on ",
              x.device(), "; it must be ", args.q.scalar_type(), " [slots, ", args.k.size(1), ", ",
              args.q.size(2), "] on ", args.q.device());
}

}  // namespace

void RotateAndAppend(const RotateAndAppendArgs& args) {
  TORCH_CHECK(args.q.dim() == 3 && args.k.dim() == 3 && args.q.size(2) % 2 == 0 &&
                  (args.q.scalar_type() == at::kFloat || args.q.scalar_type() == at::kBFloat16),
              "RotateAndAppend: q is ", args.q.scalar_type(), " ", args.q.sizes(), " and k ",
              args.k.sizes(), "; float32 or bfloat16 [tokens, heads, even dimension] are allowed");
  CheckHeads("q", args.q, args.q, args.q.size(1));
  CheckHeads("k", args.k, args.q, args.k.size(1));
  CheckHeads("v", args.v, args.q, args.k.size(1));
  CheckPerToken("positions", args.positions, args.q);
  CheckPerToken("slots", args.slots, args.q);
  CheckTable("cos", args.cos, args.cos, args.q);
  CheckTable("sin", args.sin, args.cos, args.q);
  CheckArena("keys", args.keys, args);
  CheckArena("values", args.values, args);
  if (args.q.is_cuda()) {
    cuda::LaunchRotateAndAppend(args);
  } else {
    RotateAndAppendReference(args);
  }
}

}  // namespace rwku::engine
