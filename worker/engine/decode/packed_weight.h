// A weight of a model in the panels that the kernels multiply with.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/engine/decode/kernels.h"
#include "worker/engine/decode/thread_team.h"
#include "worker/engine/model/causal_lm.h"

namespace rwku::engine {

enum class PanelFormat {
  kExact,     // bfloat16 where every value is one, so that nothing is lost; else float32
  kBfloat16,  // bfloat16, rounded where a value is none
};

// The panels are a copy: later changes of the model do not reach it.
class PackedWeight {
 public:
  PackedWeight() = default;

  // The rows of `parts` one after another, with adapters merged. All have biases or none has, and
  // all have one depth.
  PackedWeight(const std::vector<const Linear*>& parts, PanelFormat format, ThreadTeam& team);

  int64_t columns() const { return columns_; }
  int64_t panels() const { return RoundUp(columns_, kPanelColumns) / kPanelColumns; }
  bool is_bf16() const { return is_bf16_; }
  int64_t bytes() const { return static_cast<int64_t>(panels_.nbytes()); }

  // y = x W^T + bias, or += where `accumulate`; x is [rows, depth], y [rows, columns()]. No bit
  // depends on the team.
  void Multiply(const Kernels& kernels, ThreadTeam& team, const float* x, int64_t rows,
                bool accumulate, float* y) const;

  // The columns of the panels [begin, end), the first of them at y[0]; rows of y are y_stride
  // apart.
  void MultiplyPanels(const Kernels& kernels, const float* x, int64_t rows, int64_t begin,
                      int64_t end, bool accumulate, float* y, int64_t y_stride) const;

 private:
  int64_t columns_ = 0;
  int64_t depth_ = 0;
  bool is_bf16_ = false;
  at::Tensor panels_;  // float, or int32 that are pairs of bfloat16
  at::Tensor bias_;    // [columns], or undefined
};

}  // namespace rwku::engine
