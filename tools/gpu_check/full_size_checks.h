// What a target costs on a model of the shape of Llama-3-8B with random weights.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "tools/gpu_check/stage.h"

namespace rwku::gpu_check {

struct FullSizeOptions {
  // A shape of some hundred kilobytes in place of 8B's, and few and short requests: the same
  // stages anywhere.
  bool is_tiny = false;
  // Weights are written here once, in bfloat16, and read back; made and removed by the stages.
  std::filesystem::path scratch;
};

// Makes weights on the device, writes and loads them, restores them, trains (gradient ascent full,
// NPO by LoRA), asks for reference log-probabilities, decodes at several batches and answers what
// one evaluation asks. The stages share one model and belong in this order. `skipped` is their own.
std::vector<Stage> FullSizeChecks(const FullSizeOptions& options, at::Device device,
                                  const std::string& skipped);

}  // namespace rwku::gpu_check
