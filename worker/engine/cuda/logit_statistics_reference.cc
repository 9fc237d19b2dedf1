#include <algorithm>
#include <cstdint>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include "worker/engine/cuda/logit_statistics.h"

namespace rwku::engine {
namespace {

// Logits that are worked on together.
constexpr int64_t kChunk = int64_t{1} << 20;
// aten shares a sum that has one result over threads: in two steps neither the number of rows nor
// that of threads changes the order.
constexpr int64_t kStretch = 1024;

// [rows, columns] -> [rows]
at::Tensor SumRows(const at::Tensor& terms) {
  const int64_t padding = (kStretch - terms.size(1) % kStretch) % kStretch;
  const at::Tensor padded = at::constant_pad_nd(terms, {0, padding});
  return padded.view({terms.size(0), -1, kStretch}).sum(2).sum(1);
}

}  // namespace

LogitStatistics SummarizeLogitsReference(const at::Tensor& logits) {
  const c10::AutoGradMode no_grad(false);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  LogitStatistics statistics;
  statistics.sums = at::empty({logits.size(0), 4}, logits.options().dtype(at::kFloat));
  statistics.arg_max = at::empty({logits.size(0)}, logits.options().dtype(at::kLong));
  const int64_t stride = std::max(int64_t{1}, kChunk / logits.size(1));
  for (int64_t begin = 0; begin < logits.size(0); begin += stride) {
    const int64_t count = std::min(stride, logits.size(0) - begin);
    const at::Tensor rows = logits.narrow(0, begin, count).to(at::kFloat).contiguous();
    const at::Tensor numbers = rows.masked_fill(rows.isnan(), -kInfinity);
    const at::Tensor max = numbers.amax(1);
    const at::Tensor d = (rows - max.unsqueeze(1)).clamp_min(-88);
    const at::Tensor e = d.exp();
    const at::Tensor e_d = e * d;
    const at::Tensor exp = SumRows(e).masked_fill(max.isinf(), kNan);
    statistics.sums.narrow(0, begin, count)
        .copy_(at::stack({max, exp, SumRows(e_d), SumRows(e_d * d)}, 1));
    statistics.arg_max.narrow(0, begin, count).copy_(numbers.argmax(1));
  }
  return statistics;
}

}  // namespace rwku::engine
