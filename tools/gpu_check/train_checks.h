// That a device trains as plain PyTorch does, on the cases of tests/oracle/train_oracle.py.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "tools/gpu_check/stage.h"

namespace rwku::gpu_check {

// Every objective and retain term, full, LoRA and of some layers, in float32 and in bfloat16
// against the oracle's curves; a training twice; weights restored; a step whose memory runs out.
// `trainings` is the script's output folder. `skipped` is the stages' own, and `no_gpu` why what
// only a GPU can do is skipped.
std::vector<Stage> TrainChecks(const std::filesystem::path& trainings, at::Device device,
                               const std::string& skipped, const std::string& no_gpu);

}  // namespace rwku::gpu_check
