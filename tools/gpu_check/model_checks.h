// That a device gives what transformers gives, on the models of tests/oracle/model_oracle.py.
#pragma once

#include <filesystem>
#include <vector>

#include <ATen/core/Tensor.h>

#include "tools/gpu_check/stage.h"

namespace rwku::gpu_check {

// Logits, continuations and scores by TorchRunner on `device`, in float32 and in bfloat16, and
// whether what a sequence gets depends on its company. `models` is the script's output folder.
// `skipped` is the stages' own.
std::vector<Stage> ModelChecks(const std::filesystem::path& models, at::Device device,
                               const std::string& skipped);

}  // namespace rwku::gpu_check
