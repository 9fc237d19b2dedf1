// The Engine of engine.h on libtorch. Names no torch type, so that whoever makes one need not see
// torch.
#pragma once

#include <memory>
#include <string>

#include "worker/engine/engine.h"

namespace rwku::engine {

struct EngineOptions {
  std::string device = "cpu";  // as torch spells it: "cpu", "cuda", "cuda:1"; a bad one fails Load
  int threads = 1;             // of torch's operators, in the whole process; at least 1
  int max_decode_batch = 64;   // sequences that are continued together; at least 1
};

std::unique_ptr<Engine> CreateTorchEngine(const EngineOptions& options = {});

}  // namespace rwku::engine
