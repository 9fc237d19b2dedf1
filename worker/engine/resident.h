// The model that an engine holds, with all that belongs to it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "benchmark/evaluate/language_model.h"
#include "text/tokenizer.h"
#include "worker/engine/decode/runner.h"
#include "worker/engine/engine.h"
#include "worker/engine/memory/inference_memory.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/train/weight_history.h"

namespace rwku::engine {

struct Resident {
  std::string identity;  // of the folder it comes from
  std::filesystem::path folder;
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::unique_ptr<CausalLm> model;
  // The weights as stored, in the dtypes of the files, on the host, in the order of
  // NamedParameters().
  std::vector<at::Tensor> pristine;
  std::vector<uint64_t> checksums;  // of the model's weights as loaded, in the same order
  WeightHistory history;            // since the last restore
  ModelInfo info;
  bool is_changed = false;         // trained since the last restore
  LayerVectors steering;           // since the last restore
  std::unique_ptr<Runner> runner;  // of the weights as they are; made when first needed
  InferencePlan inference;         // of that runner
  evaluate::Usage usage;           // since it was loaded
};

}  // namespace rwku::engine
