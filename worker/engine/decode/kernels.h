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

  // y = x / sqrt(mean(x^2) + eps) * weight, for rows of `size`.
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t rows, int64_t size,
                   float* y);

  // out[head_dim] = softmax(scale * q K^T) V over the cached positions [first, end) of one head.
  // Keys lie in blocks of kLanes positions, [head_dim][kLanes] each; values in rows of
  // RoundUp(head_dim, kLanes). `scores` is scratch of RoundUp(end, kLanes).
  void (*attend)(const float* q, const float* keys, const float* values, int64_t first, int64_t end,
                 int64_t head_dim, float scale, float* scores, float* out);

  // out[r][i] = silu(gate) * up with gate = x[r][i] and up = x[r][size + i].
  void (*silu_product)(const float* x, int64_t rows, int64_t size, float* out);

  LogitSums (*logit_sums)(const float* logits, int64_t size);

  // The index of the largest of x[0..size), the lowest among equals; NaN never is, and 0 where
  // nothing else is. size > 0.
  int64_t (*arg_max)(const float* x, int64_t size);
};

// The fastest build that this processor runs.
const Kernels& BestKernels();

// Single builds; a caller must know that the processor has the instructions.
const Kernels& PortableKernels();
const Kernels& Avx2Kernels();
const Kernels& Avx512Kernels();
bool ProcessorHasAvx2();
bool ProcessorHasAvx512();

// Number of floats of a packed weight of [columns, depth].
constexpr int64_t PackedSize(int64_t columns, int64_t depth) {
  return RoundUp(columns, kPanelColumns) * depth;
}

// weight [columns, depth] row-major -> panels [depth][kPanelColumns], the last padded with zeros.
void PackPanels(const float* weight, int64_t columns, int64_t depth, float* packed);

}  // namespace rwku::engine
