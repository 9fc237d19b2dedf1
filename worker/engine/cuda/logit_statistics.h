// What greedy decoding and scoring need to know of rows of logits, without a row of probabilities.
#pragma once

#include <ATen/core/Tensor.h>

namespace rwku::engine {

// Of a row of logits l with the largest m, NaN apart; d = l - m, and at least -88.
struct LogitStatistics {
  // float32 [rows, 4]: m, sum e^d, sum e^d d, sum e^d d^2. The second is NaN where a logit is NaN
  // or m is infinite.
  at::Tensor sums;
  // int64 [rows]: the lowest index of m; 0 where every logit is NaN or -infinity.
  at::Tensor arg_max;
};

// `logits` is [rows, columns], float32 or bfloat16, with at least one column, and dense within a
// row. What a row gets depends on that row alone, to the bit. On a CUDA device it is one pass on
// the current stream, without synchronisation; elsewhere the reference runs. (A token's own logit
// is an index_select away.) Throws torch's exceptions.
LogitStatistics SummarizeLogits(const at::Tensor& logits);

// The same from aten's operators, on any device, row by row.
LogitStatistics SummarizeLogitsReference(const at::Tensor& logits);

}  // namespace rwku::engine
