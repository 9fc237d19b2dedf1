// The Engine of engine.h on libtorch. Names no torch type, so that whoever makes one need not see
// torch.
#pragma once

#include <memory>
#include <string>

#include "worker/engine/engine.h"

namespace rwku::engine {

struct EngineOptions {
  // "cpu", "cuda" or "cuda:<number>"; another, or a number that no device has, fails Load. On a
  // CUDA device only training runs there: generation and scoring copy the weights to the host and
  // run on the processor. Torch's operators are then deterministic; one without such a form fails.
  std::string device = "cpu";
  int threads = 1;            // of torch's operators, in the whole process; at least 1
  int max_decode_batch = 64;  // sequences that are continued together; at least 1
};

std::unique_ptr<Engine> CreateTorchEngine(const EngineOptions& options = {});

}  // namespace rwku::engine
