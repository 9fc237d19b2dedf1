// What beside weights and inputs decides the bits that a model computes.
#pragma once

#include <filesystem>
#include <string>

#include <ATen/core/Tensor.h>

namespace rwku::engine {

// The device's kind and model, the dtype, and the version of torch: of a CPU the instruction set
// that torch uses stands for the model.
std::string ComputedIn(at::Device device, at::ScalarType dtype);

// The models of the GPUs that NVIDIA's driver lists below `folder`, in alphabetical order, each
// once, joined by commas. A machine whose cards differ tells all of them, whichever computes. Empty
// where there is no driver.
std::string GpuModels(const std::filesystem::path& folder = "/proc/driver/nvidia/gpus");

}  // namespace rwku::engine
