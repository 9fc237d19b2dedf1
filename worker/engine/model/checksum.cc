#include "worker/engine/model/checksum.h"

#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"

#include "base/check.h"

namespace rwku::engine {

namespace {

constexpr uint64_t kWeight = 0x9E3779B97F4A7C15ULL;  // odd

// SplitMix64's finaliser.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

uint64_t SumOfBits(const at::Tensor& tensor) {
  const at::Tensor host = tensor.detach().to(at::kCPU).contiguous();
  const auto* const values = host.const_data_ptr<float>();
  uint64_t sum = 0;
  for (int64_t i = 0; i < host.numel(); ++i) {
    uint32_t bits = 0;
    std::memcpy(&bits, values + i, sizeof(bits));
    sum += (uint64_t{bits} + 1) * ((2 * static_cast<uint64_t>(i) + 1) * kWeight);
  }
  return sum;
}

}  // namespace

std::string WeightsChecksum(const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  uint64_t state = tensors.size();
  for (const auto& [name, tensor] : tensors) {
    RWKU_CHECK(tensor.scalar_type() == at::kFloat);
    for (const char letter : name) {
      state = Mix(state + kWeight + static_cast<unsigned char>(letter));
    }
    state = Mix(state + kWeight + static_cast<uint64_t>(tensor.numel()));
    state = Mix(state + kWeight + SumOfBits(tensor));
  }
  return absl::StrCat(absl::Hex(state, absl::kZeroPad16));
}

}  // namespace rwku::engine
