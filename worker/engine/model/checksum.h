// A fast checksum of weights that proves a restore.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace rwku::engine {

// 16 hexadecimal digits over the names, sizes and exact bits of float32 tensors, computed where
// they lie; equal on every device. In each tensor it is the sum of a 64-bit hash of every element's
// bits and index, so changes do not compensate one another but by chance. Not for cryptography.
std::string WeightsChecksum(const std::vector<std::pair<std::string, at::Tensor>>& tensors);

}  // namespace rwku::engine
