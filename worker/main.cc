// rwku-worker: the daemon of worker/agent with the torch engine. Its only composition root.
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

#include "worker/agent/daemon.h"
#include "worker/engine/torch_engine.h"

namespace {

constexpr bool kWithCuda = RWKU_WITH_CUDA != 0;

// What "auto" stands for: the first GPU where this build can use one and the machine has one.
std::string ChooseDevice(const std::string& device) {
  if (device != "auto") {
    return device;
  }
  std::error_code ignored;
  return kWithCuda && std::filesystem::exists("/dev/nvidiactl", ignored) ? "cuda:0" : "cpu";
}

absl::StatusOr<rwku::agent::EngineSetup> MakeEngine(const rwku::agent::EngineRequest& request) {
  const std::string device = ChooseDevice(request.device);
  if (device != "cpu" && !kWithCuda) {
    return absl::InvalidArgumentError(
        absl::StrCat("--device: ", device, "; this binary was built without CUDA, cpu is allowed"));
  }
  rwku::engine::EngineOptions options;
  options.device = device;
  options.dtype = request.dtype;
  options.threads = request.threads;
  options.decode_batch = request.decode_batch;
  options.cache_bytes = request.cache_bytes;
  options.prefill_tokens = request.prefill_tokens;
  options.cache_folder = request.cache_folder;
  return rwku::agent::EngineSetup{.engine = rwku::engine::CreateTorchEngine(options),
                                  .device = device,
                                  .description = device == "cpu" ? "" : "NVIDIA GPU",
                                  .memory_bytes = 0};
}

}  // namespace

int main(int argc, char** argv) { return rwku::agent::RunDaemon(argc, argv, MakeEngine); }
