// Memory and utilisation of an NVIDIA GPU, from the driver's own library where the machine has it.
// Nothing is linked: the library is opened at run time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace rwku::metrics {

struct DeviceUse {
  uint64_t memory_used_bytes = 0;  // by every process
  uint64_t memory_total_bytes = 0;
  std::optional<double> utilization;  // 0 to 1: share of the driver's last sample with work on it
};

// Thread-safe.
class Nvml {
 public:
  // Of the device that CUDA calls "cuda:N" in this process, CUDA_VISIBLE_DEVICES heeded. Null for
  // another device, without the library, and where the device cannot be told (a MIG slice).
  static std::unique_ptr<Nvml> Open(const std::string& device);
  virtual ~Nvml() = default;

  // Nullopt where the driver does not say.
  virtual std::optional<DeviceUse> Read() = 0;
};

// The entry of CUDA_VISIBLE_DEVICES that stands for device `index`: a number or "GPU-...", the
// index itself where the variable is not set (null). Nullopt where it hides the device or names a
// MIG slice.
std::optional<std::string> VisibleDevice(const char* visible_devices, int index);

}  // namespace rwku::metrics
