// The Engine of engine.h on libtorch. Names no torch type, so that whoever makes one need not see
// torch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "worker/engine/engine.h"

namespace rwku::engine {

struct EngineOptions {
  // "cpu", "cuda" or "cuda:<number>"; another, or a number that no device has, fails Load. On a
  // CUDA device only training runs there: generation and scoring copy the weights to the host and
  // run on the processor. Torch's operators are then deterministic; one without such a form fails.
  std::string device = "cpu";
  int threads = 1;                         // of torch's operators, in the whole process; at least 1
  int max_decode_batch = 64;               // sequences that are continued together; at least 1
  int64_t cache_bytes = int64_t{4} << 30;  // of all keys and values in use together
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
