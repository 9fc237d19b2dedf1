// A fast checksum of weights that proves a restore.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace rwku::engine {

// The sum over a float32 tensor's elements of a 64-bit hash of the element's bits and index,
// computed where it lies; equal on every device. Not for cryptography.
uint64_t TensorChecksum(const at::Tensor& tensor);

// 16 hexadecimal digits over the names, sizes and TensorChecksums of float32 tensors: changes do
// not compensate one another but by chance. Not for cryptography.
std::string WeightsChecksum(const std::vector<std::pair<std::string, at::Tensor>>& tensors);

}  // namespace rwku::engine
