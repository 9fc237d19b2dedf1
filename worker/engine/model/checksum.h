// A fast checksum of weights that proves a restore.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace rwku::engine {

// 16 hexadecimal digits over the names, sizes and exact bits of float32 tensors. In each tensor it
// is the sum over i of (bits_i + 1) * w_i modulo 2^64 with w_i odd and different: it changes with
// any one value, and with any two exchanged. Not for cryptography.
std::string WeightsChecksum(const std::vector<std::pair<std::string, at::Tensor>>& tensors);

}  // namespace rwku::engine
