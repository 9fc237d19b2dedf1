#include "worker/metrics/nvml.h"

#include <dlfcn.h>

#include <cstdlib>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

#include "base/log.h"

namespace rwku::metrics {
namespace {

// The part of NVIDIA's documented C interface (nvml.h) that is used here.
using NvmlDevice = void*;
struct NvmlMemory {
  unsigned long long total = 0;
  unsigned long long free = 0;
  unsigned long long used = 0;
};
struct NvmlUtilization {
  unsigned int gpu = 0;  // percent
  unsigned int memory = 0;
};
constexpr int kNvmlSuccess = 0;

class DriverNvml final : public Nvml {
 public:
  // Whether every function is there and the library works.
  bool Load() {
    library_ = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) {
      return false;
    }
    Find("nvmlInit_v2", &init_);
    Find("nvmlShutdown", &shutdown_);
    Find("nvmlDeviceGetHandleByIndex_v2", &by_index_);
    Find("nvmlDeviceGetHandleByUUID", &by_uuid_);
    Find("nvmlDeviceGetMemoryInfo", &memory_info_);
    Find("nvmlDeviceGetUtilizationRates", &utilization_);
    if (init_ == nullptr || shutdown_ == nullptr || by_index_ == nullptr || by_uuid_ == nullptr ||
        memory_info_ == nullptr || utilization_ == nullptr || init_() != kNvmlSuccess) {
      return false;
    }
    initialized_ = true;
    return true;
  }

  bool Choose(const std::string& device) {
    int index = 0;
    return absl::SimpleAtoi(device, &index)
               ? by_index_(static_cast<unsigned int>(index), &device_) == kNvmlSuccess
               : by_uuid_(device.c_str(), &device_) == kNvmlSuccess;
  }

  DriverNvml() = default;
  DriverNvml(const DriverNvml&) = delete;
  DriverNvml& operator=(const DriverNvml&) = delete;
  ~DriverNvml() override {
    if (initialized_) {
      shutdown_();
    }
    if (library_ != nullptr) {
      dlclose(library_);
    }
  }

  std::optional<DeviceUse> Read() override {
    NvmlMemory memory;
    if (memory_info_(device_, &memory) != kNvmlSuccess) {
      return std::nullopt;
    }
    DeviceUse use{.memory_used_bytes = memory.used,
                  .memory_total_bytes = memory.total,
                  .utilization = std::nullopt};
    NvmlUtilization utilization;
    if (utilization_(device_, &utilization) == kNvmlSuccess) {
      use.utilization = utilization.gpu / 100.0;
    }
    return use;
  }

 private:
  template <typename Function>
  void Find(const char* name, Function* function) {
    *function = reinterpret_cast<Function>(dlsym(library_, name));
  }

  void* library_ = nullptr;
  bool initialized_ = false;
  NvmlDevice device_ = nullptr;
  int (*init_)() = nullptr;
  int (*shutdown_)() = nullptr;
  int (*by_index_)(unsigned int, NvmlDevice*) = nullptr;
  int (*by_uuid_)(const char*, NvmlDevice*) = nullptr;
  int (*memory_info_)(NvmlDevice, NvmlMemory*) = nullptr;
  int (*utilization_)(NvmlDevice, NvmlUtilization*) = nullptr;
};

}  // namespace

std::optional<std::string> VisibleDevice(const char* visible_devices, int index) {
  if (visible_devices == nullptr) {
    return absl::StrCat(index);
  }
  const std::vector<absl::string_view> entries = absl::StrSplit(visible_devices, ',');
  for (size_t i = 0; i < entries.size(); ++i) {
    const absl::string_view entry = absl::StripAsciiWhitespace(entries[i]);
    int number = -1;
    const bool known =
        (absl::SimpleAtoi(entry, &number) && number >= 0) || absl::StartsWith(entry, "GPU-");
    if (!known) {
      return std::nullopt;  // CUDA ignores this entry and those after it, or it is a MIG slice
    }
    if (static_cast<int>(i) == index) {
      return std::string(entry);
    }
  }
  return std::nullopt;
}

std::unique_ptr<Nvml> Nvml::Open(const std::string& device) {
  absl::string_view number = device;
  int index = 0;
  if (!absl::ConsumePrefix(&number, "cuda:") || !absl::SimpleAtoi(number, &index)) {
    return nullptr;
  }
  const std::optional<std::string> visible = VisibleDevice(
      std::getenv("CUDA_VISIBLE_DEVICES"),  // NOLINT(concurrency-mt-unsafe): read only
      index);
  auto nvml = std::make_unique<DriverNvml>();
  if (!visible.has_value() || !nvml->Load() || !nvml->Choose(*visible)) {
    RWKU_LOG(kWarning, "no metrics of the GPU: NVML does not know it").With("device", device);
    return nullptr;
  }
  return nvml;
}

}  // namespace rwku::metrics
