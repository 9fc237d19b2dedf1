// The worker as a process: flags, environment, signals and logs around an Agent. main.cc brings the
// engine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

#include "worker/engine/engine.h"

namespace rwku::agent {

struct EngineRequest {
  std::string device;          // "cpu", "cuda:0" or "auto"
  std::string dtype = "auto";  // "float32", "bfloat16" or "auto"
  int threads = 1;             // of computation on the CPU
  // Unset: planned from the memory that is free.
  std::optional<int> decode_batch = std::nullopt;
  std::optional<int64_t> cache_bytes = std::nullopt;
  std::optional<int64_t> prefill_tokens = std::nullopt;
  std::filesystem::path cache_folder = {};  // kept over restarts; empty: none
};

struct EngineSetup {
  std::unique_ptr<engine::Engine> engine;
  std::string device;         // the one chosen: "cpu" or "cuda:0"
  std::string description;    // e.g. "NVIDIA H200"; empty: the CPU's model name
  uint64_t memory_bytes = 0;  // 0: unknown, or the machine's for "cpu"
};

using EngineFactory = std::function<absl::StatusOr<EngineSetup>(const EngineRequest&)>;

// Runs a worker until it is drained. Exit codes: 0 drained, 1 the worker or its engine cannot run,
// or the coordinator refuses it, 2 usage: a flag, or INVALID_ARGUMENT from `make_engine`. The last
// line on standard error says in plain words why it was not 0. Every flag may come from the
// environment: --server from RWKU_SERVER.
//
// SIGTERM or SIGINT drains: no new leases, the present attempt may end within --drain-timeout and
// is given back then. A second signal gives it back at once.
int RunDaemon(int argc, char** argv, const EngineFactory& make_engine);

}  // namespace rwku::agent
