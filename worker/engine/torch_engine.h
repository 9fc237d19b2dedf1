// The Engine of engine.h on libtorch. Names no torch type, so that whoever makes one need not see
// torch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "worker/engine/engine.h"

namespace rwku::engine {

struct EngineOptions {
  // "cpu", "cuda" or "cuda:<number>"; another, or a number that no device has, fails Load. On a
  // CUDA device torch's operators are deterministic; one without such a form fails.
  std::string device = "cpu";
  // "float32", "bfloat16" or "auto": bfloat16 on a CUDA device, float32 on a processor; another
  // fails Load. It is the dtype of resident weights and of products. In bfloat16 a processor keeps
  // activations in float32 when it answers; a training keeps float32 weights and moments beside.
  std::string dtype = "auto";
  int threads = 1;  // of computation on the processor, in the whole process; at least 1
  // Unset: planned from the memory that is free when the model is first asked (PlanInference).
  std::optional<int> decode_batch =
      std::nullopt;  // sequences that are continued together; at least 1
  std::optional<int64_t> cache_bytes = std::nullopt;  // of all keys and values in use together
  std::optional<int64_t> prefill_tokens =
      std::nullopt;  // of prompts that pass through the model together
  // Whether what prompts or texts of one call have in common at their beginnings is computed once.
  // Changes no bit of any answer.
  bool share_prefixes = true;
  // Where log-probabilities of training texts under weights as loaded are kept over processes,
  // which may share it; made when first needed. Empty: in memory alone. Changes no bit of any
  // training.
  std::filesystem::path cache_folder = {};
};

std::unique_ptr<Engine> CreateTorchEngine(const EngineOptions& options = {});

}  // namespace rwku::engine
