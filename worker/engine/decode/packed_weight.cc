#include "worker/engine/decode/packed_weight.h"

#include <algorithm>
#include <atomic>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include "base/check.h"

namespace rwku::engine {

namespace {

// Below so many products of two numbers a second thread costs more than it brings.
constexpr int64_t kLeastShared = 1 << 16;
// With fewer rows every thread takes one piece, so that a piece is long enough to be read at full
// speed; with more, several pieces a thread even out who is slow.
constexpr int64_t kManyRows = 16;
constexpr int64_t kPieces = 4;

// [columns, depth] contiguous on the host: the model's own tensor where it is that.
at::Tensor HostWeight(const Linear& part) {
  at::Tensor weight = part.weight.detach().to(at::kCPU, at::kFloat);
  if (part.adapter) {
    weight =
        weight + at::matmul(part.adapter->b, part.adapter->a).to(at::kCPU) * part.adapter->scale;
  }
  return weight.contiguous();
}

bool IsBf16(const at::Tensor& weight, ThreadTeam& team) {
  const float* const values = weight.const_data_ptr<float>();
  std::atomic<bool> is_bf16 = true;
  team.For(weight.numel(), 1 << 16, [&](int64_t begin, int64_t end, int) {
    if (is_bf16.load(std::memory_order_relaxed) && !AreBf16(values + begin, end - begin)) {
      is_bf16.store(false, std::memory_order_relaxed);
    }
  });
  return is_bf16;
}

}  // namespace

PackedWeight::PackedWeight(const std::vector<const Linear*>& parts, PanelFormat format,
                           ThreadTeam& team) {
  std::vector<at::Tensor> weights;
  std::vector<at::Tensor> biases;
  is_bf16_ = true;
  for (const Linear* const part : parts) {
    weights.push_back(HostWeight(*part));
    columns_ += weights.back().size(0);
    depth_ = weights.back().size(1);
    is_bf16_ = is_bf16_ && (format == PanelFormat::kBfloat16 || IsBf16(weights.back(), team));
    if (part->bias.defined()) {
      biases.push_back(part->bias.detach().to(at::kCPU, at::kFloat));
    }
  }
  const int64_t size = PackedSize(columns_, depth_);
  panels_ = is_bf16_ ? at::zeros({size / 2}, at::kInt) : at::zeros({size}, at::kFloat);
  int64_t column = 0;
  for (const at::Tensor& weight : weights) {
    RWKU_CHECK(weight.size(1) == depth_);
    const float* const rows = weight.const_data_ptr<float>();
    // Whole panels a thread: the two halves of a pair have one writer.
    const int64_t first_panel = column / kPanelColumns;
    const int64_t last_panel = (column + weight.size(0) - 1) / kPanelColumns;
    const int64_t end_column = column + weight.size(0);
    team.For(last_panel + 1 - first_panel, 1, [&](int64_t begin, int64_t end, int) {
      const int64_t from = std::max(column, (first_panel + begin) * kPanelColumns);
      const int64_t to = std::min(end_column, (first_panel + end) * kPanelColumns);
      const float* const part_rows = rows + (from - column) * depth_;
      if (is_bf16_) {
        PackBf16Panels(part_rows, from, to - from, depth_,
                       reinterpret_cast<Bf16Pair*>(panels_.mutable_data_ptr<int32_t>()));
      } else {
        PackPanels(part_rows, from, to - from, depth_, panels_.mutable_data_ptr<float>());
      }
    });
    column = end_column;
  }
  if (!biases.empty()) {
    bias_ = at::cat(biases, 0).contiguous();
    RWKU_CHECK(bias_.numel() == columns_);
  }
}

void PackedWeight::MultiplyPanels(const Kernels& kernels, const float* x, int64_t rows,
                                  int64_t begin, int64_t end, bool accumulate, float* y,
                                  int64_t y_stride) const {
  const int64_t first = begin * kPanelColumns;
  const int64_t columns = std::min(columns_, end * kPanelColumns) - first;
  if (is_bf16_) {
    const auto* const pairs = reinterpret_cast<const Bf16Pair*>(panels_.const_data_ptr<int32_t>());
    kernels.multiply_bf16(x, rows, depth_, pairs + first / 2 * depth_, 0, end - begin, columns,
                          accumulate, y, y_stride);
  } else {
    kernels.multiply(x, rows, depth_, panels_.const_data_ptr<float>() + first * depth_, 0,
                     end - begin, columns, accumulate, y, y_stride);
  }
  if (bias_.defined()) {
    const float* const bias = bias_.const_data_ptr<float>() + first;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        y[r * y_stride + c] += bias[c];
      }
    }
  }
}

void PackedWeight::Multiply(const Kernels& kernels, ThreadTeam& team, const float* x, int64_t rows,
                            bool accumulate, float* y) const {
  if (rows == 0) {
    return;
  }
  const int64_t pieces = rows * depth_ * columns_ < kLeastShared ? 1
                         : rows < kManyRows                      ? team.threads()
                                                                 : team.threads() * kPieces;
  team.For(panels(), (panels() + pieces - 1) / pieces, [&](int64_t begin, int64_t end, int) {
    MultiplyPanels(kernels, x, rows, begin, end, accumulate, y + begin * kPanelColumns, columns_);
  });
}

}  // namespace rwku::engine
