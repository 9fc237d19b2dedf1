#include "worker/engine/model/host_block.h"

#include <algorithm>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include "base/check.h"

namespace rwku::engine {

namespace {

constexpr int64_t kPinnedBlockBytes = int64_t{1} << 30;
constexpr int64_t kAlignment = 64;
// Elements that a thread takes at a time.
constexpr int64_t kPiece = int64_t{1} << 20;

struct Piece {
  size_t tensor = 0;
  int64_t begin = 0;
  int64_t end = 0;
};

}  // namespace

std::vector<at::Tensor> EmptyOnHostLike(absl::Span<const at::Tensor> tensors, at::Device device) {
  if (device.is_cuda()) {
    return EmptyInBlocks(tensors, kPinnedBlockBytes, /*pinned=*/true);
  }
  std::vector<at::Tensor> empty;
  empty.reserve(tensors.size());
  for (const at::Tensor& tensor : tensors) {
    empty.push_back(at::empty(tensor.sizes(), at::TensorOptions().dtype(tensor.scalar_type())));
  }
  return empty;
}

std::vector<at::Tensor> EmptyInBlocks(absl::Span<const at::Tensor> tensors, int64_t block_bytes,
                                      bool pinned) {
  for (const at::Tensor& tensor : tensors) {
    block_bytes = std::max(block_bytes, static_cast<int64_t>(tensor.nbytes()));
  }
  std::vector<at::Tensor> placed;
  placed.reserve(tensors.size());
  at::Tensor block;
  int64_t used = block_bytes;
  for (const at::Tensor& tensor : tensors) {
    const auto bytes = static_cast<int64_t>(tensor.nbytes());
    if (used + bytes > block_bytes) {
      block = at::empty({block_bytes}, at::TensorOptions().dtype(at::kByte).pinned_memory(pinned));
      used = 0;
    }
    placed.push_back(block.narrow(0, used, bytes).view(tensor.scalar_type()).view(tensor.sizes()));
    used += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  return placed;
}

void CopyInParallel(absl::Span<const at::Tensor> from, absl::Span<const at::Tensor> to) {
  RWKU_CHECK(from.size() == to.size());
  std::vector<Piece> pieces;
  for (size_t i = 0; i < from.size(); ++i) {
    for (int64_t begin = 0; begin < from[i].numel(); begin += kPiece) {
      pieces.push_back({i, begin, std::min(begin + kPiece, from[i].numel())});
    }
  }
  at::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    const c10::AutoGradMode no_grad(false);
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces[static_cast<size_t>(i)];
      to[piece.tensor]
          .view({-1})
          .slice(0, piece.begin, piece.end)
          .copy_(from[piece.tensor].view({-1}).slice(0, piece.begin, piece.end));
    }
  });
}

}  // namespace rwku::engine
