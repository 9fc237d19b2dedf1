// Float32 kernels of inference on CPUs, over plain arrays. The result of a row depends on that row
// alone: every sum runs in one fixed order, whatever the number of rows, so a text is continued and
// scored to the same bits alone and in any batch. (Library products choose their order by the
// number of rows.) The AVX2 and AVX-512 builds of this code give the same bits too.
#pragma once

#include <cstdint>

namespace rwku::engine {

// Columns of a packed weight that are multiplied together.
inline constexpr int64_t kPanelColumns = 32;
// Positions of a key cache that are multiplied together, and the padding of value rows.
inline constexpr int64_t kLanes = 16;

constexpr int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Two bfloat16 weights: the first in the low half, the second in the high one.
using Bf16Pair = uint32_t;

// One query of one head, and the cached positions [first, end) that it sees; first < end.
struct AttentionQuery {
  const float* q;  // [head_dim]
  float* out;      // [head_dim]
  int64_t first;
  int64_t end;
};

// Sums over a row of logits l with the largest m: d = l - m, weighted by e^d. Where a logit is NaN
// or the largest is infinite, `exp` is NaN.
struct LogitSums {
  float max = 0;
  float exp = 0;            // sum e^d
  float exp_d = 0;          // sum e^d d
  float exp_d_squared = 0;  // sum e^d d^2
};

struct Kernels {
  const char* name;

  // y[r][c] = sum_i x[r][i] w[c][i] (or += where `accumulate`) for the columns of the panels
  // [panel_begin, panel_end) of `packed` (PackPanels), at most `columns` in all. x is
  // [rows, depth]; rows of y are y_stride apart and y's column 0 is column 0 of the weight.
  void (*multiply)(const float* x, int64_t rows, int64_t depth, const float* packed,
                   int64_t panel_begin, int64_t panel_end, int64_t columns, bool accumulate,
                   float* y, int64_t y_stride);

  // The same with weights of half the size (PackBf16Panels), and the bits that `multiply` gives for
  // the values of those weights.
  void (*multiply_bf16)(const float* x, int64_t rows, int64_t depth, const Bf16Pair* packed,
                        int64_t panel_begin, int64_t panel_end, int64_t columns, bool accumulate,
                        float* y, int64_t y_stride);

  // y = x / sqrt(mean(x^2) + eps) * weight, for rows of `size`.
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t rows, int64_t size,
                   float* y);

  // out = softmax(scale * q K^T) V for `count` queries of one sequence and one key-value head:
  // those of all heads that share it, and of any number of positions. Neighbours share what is read
  // of the cache. Keys lie in blocks of kLanes positions, [head_dim][kLanes] each; values in rows
  // of RoundUp(head_dim, kLanes). Both exist up to the end of the block of the largest `end`.
  // `scratch` has AttentionScratch(largest end, head_dim) floats.
  void (*attend)(const AttentionQuery* queries, int64_t count, const float* keys,
                 const float* values, int64_t head_dim, float scale, float* scratch);

  // out[r][i] = silu(gate) * up with gate = x[r][i] and up = x[r][size + i].
  void (*silu_product)(const float* x, int64_t rows, int64_t size, float* out);

  LogitSums (*logit_sums)(const float* logits, int64_t size);

  // The index of the largest of x[0..size), the lowest among equals; NaN never is, and 0 where
  // nothing else is. size > 0.
  int64_t (*arg_max)(const float* x, int64_t size);
};

// The fastest build that this processor runs.
const Kernels& BestKernels();

// Floats of Kernels::attend's scratch.
constexpr int64_t AttentionScratch(int64_t end, int64_t head_dim) {
  constexpr int64_t kMostRows = 12;
  return kMostRows * (RoundUp(end, kLanes) + 2 * RoundUp(head_dim, kLanes));
}

// Number of weights of a packed weight of [columns, depth]; pairs are half as many.
constexpr int64_t PackedSize(int64_t columns, int64_t depth) {
  return RoundUp(columns, kPanelColumns) * depth;
}

// Rows [column, column + count) of a weight that is packed, [count, depth] row-major -> panels
// [depth][kPanelColumns] of `packed`. Parts of a weight may be packed one after another; `packed`
// is zero where nothing was.
void PackPanels(const float* rows, int64_t column, int64_t count, int64_t depth, float* packed);

// Likewise as bfloat16, rounded to nearest, ties to even: columns j and kLanes + j of a panel are
// a pair.
void PackBf16Panels(const float* rows, int64_t column, int64_t count, int64_t depth,
                    Bf16Pair* packed);

// Whether every one of the values is a bfloat16, so that PackBf16Panels loses nothing.
bool AreBf16(const float* values, int64_t count);

}  // namespace rwku::engine
