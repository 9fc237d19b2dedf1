// One case of tests/oracle/train_oracle.py.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "worker/engine/engine.h"

namespace rwku::gpu_check {

struct TrainingCase {
  std::string name;
  std::string tuning;  // "full", "lora" or "partial"
  int32_t eos = 0;
  engine::TrainingPlan plan;
  std::vector<double> losses;  // one a step
};

// The cases of a model, "llama" or "llama_bfloat16", in the oracle's order.
absl::StatusOr<std::vector<TrainingCase>> ReadTrainingCases(const std::filesystem::path& folder,
                                                            const std::string& model);

}  // namespace rwku::gpu_check
