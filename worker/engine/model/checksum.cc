#include "worker/engine/model/checksum.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include "base/check.h"

namespace rwku::engine {

namespace {

constexpr uint64_t kWeight = 0x9E3779B97F4A7C15ULL;  // odd
constexpr uint64_t kMultiplier1 = 0xBF58476D1CE4E5B9ULL;
constexpr uint64_t kMultiplier2 = 0x94D049BB133111EBULL;

// Elements at a time: what a core's cache holds, or what a GPU is busy with.
constexpr int64_t kChunkCpu = int64_t{1} << 15;
constexpr int64_t kChunkGpu = int64_t{1} << 25;

// SplitMix64's finaliser.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * kMultiplier1;
  x = (x ^ (x >> 27)) * kMultiplier2;
  return x ^ (x >> 31);
}

// x ^ (x >> shift) of each int64 in place, as if unsigned. `scratch` is of x's size.
void XorShift(at::Tensor& x, int64_t shift, at::Tensor& scratch) {
  at::bitwise_right_shift_out(scratch, x, shift);
  scratch.bitwise_and_((int64_t{1} << (64 - shift)) - 1);
  x.bitwise_xor_(scratch);
}

}  // namespace

// The sum over i of SplitMix64's finaliser of bits_i ^ (i + 1) * kWeight, modulo 2^64, on the
// tensor's device. Signed products wrap there as unsigned ones do.
uint64_t TensorChecksum(const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().contiguous().view({-1});
  const auto options = values.options().dtype(at::kLong);
  const int64_t chunk = tensor.is_cpu() ? kChunkCpu : kChunkGpu;
  at::Tensor sum = at::zeros({}, options);
  for (int64_t begin = 0; begin < values.numel(); begin += chunk) {
    const int64_t end = std::min(begin + chunk, values.numel());
    at::Tensor x = at::arange(begin + 1, end + 1, options).mul_(static_cast<int64_t>(kWeight));
    x.bitwise_xor_(values.slice(0, begin, end).to(at::kFloat).view(at::kInt).to(at::kLong));
    at::Tensor scratch = at::empty_like(x);
    XorShift(x, 30, scratch);
    x.mul_(static_cast<int64_t>(kMultiplier1));
    XorShift(x, 27, scratch);
    x.mul_(static_cast<int64_t>(kMultiplier2));
    XorShift(x, 31, scratch);
    sum.add_(x.sum());
  }
  return static_cast<uint64_t>(sum.item<int64_t>());
}

std::vector<uint64_t> TensorChecksums(
    const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  std::vector<uint64_t> checksums;
  checksums.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    checksums.push_back(TensorChecksum(tensor));
  }
  return checksums;
}

std::string WeightsChecksum(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                            const std::vector<uint64_t>& checksums) {
  RWKU_CHECK(tensors.size() == checksums.size());
  uint64_t state = tensors.size();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    for (const char letter : name) {
      state = Mix(state + kWeight + static_cast<unsigned char>(letter));
    }
    state = Mix(state + kWeight + static_cast<uint64_t>(tensor.numel()));
    state = Mix(state + kWeight + checksums[i]);
  }
  return absl::StrCat(absl::Hex(state, absl::kZeroPad16));
}

std::string WeightsChecksum(const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  return WeightsChecksum(tensors, TensorChecksums(tensors));
}

}  // namespace rwku::engine
