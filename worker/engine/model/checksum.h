// A fast checksum of weights that proves a restore.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace rwku::engine {

// The sum over a tensor's elements of a 64-bit hash of the index and of the element's bits in
// float32, computed where it lies; equal on every device, and for every floating-point dtype that
// holds the same numbers. Not for cryptography.
uint64_t TensorChecksum(const at::Tensor& tensor);

// The TensorChecksum of each.
std::vector<uint64_t> TensorChecksums(
    const std::vector<std::pair<std::string, at::Tensor>>& tensors);

// 16 hexadecimal digits over the names and sizes of tensors and their `checksums`: changes do not
// compensate one another but by chance. Not for cryptography.
std::string WeightsChecksum(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                            const std::vector<uint64_t>& checksums);

// The same, of their TensorChecksums.
std::string WeightsChecksum(const std::vector<std::pair<std::string, at::Tensor>>& tensors);

}  // namespace rwku::engine
