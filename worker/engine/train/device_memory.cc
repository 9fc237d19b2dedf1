#include "worker/engine/train/device_memory.h"

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include <c10/core/CachingDeviceAllocator.h>

#include "base/file.h"

namespace rwku::engine {

int64_t ParseMemAvailable(absl::string_view meminfo) {
  for (const absl::string_view line : absl::StrSplit(meminfo, '\n')) {
    if (!absl::StartsWith(line, "MemAvailable:")) {
      continue;
    }
    const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ', absl::SkipEmpty());
    int64_t kilobytes = 0;
    return parts.size() == 3 && parts[2] == "kB" && absl::SimpleAtoi(parts[1], &kilobytes)
               ? kilobytes * 1024
               : 0;
  }
  return 0;
}

int64_t AvailableBytes(at::Device device) {
  if (device.is_cpu()) {
    const absl::StatusOr<std::string> meminfo = ReadFile("/proc/meminfo");
    return meminfo.ok() ? ParseMemAvailable(*meminfo) : 0;
  }
  c10::DeviceAllocator* const allocator = c10::getDeviceAllocator(device.type());
  const auto index = device.has_index() ? device.index() : c10::DeviceIndex{0};
  const auto stats = allocator->getDeviceStats(index);
  const auto aggregate = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return static_cast<int64_t>(allocator->getMemoryInfo(index).first) +
         stats.reserved_bytes[aggregate].current - stats.allocated_bytes[aggregate].current;
}

}  // namespace rwku::engine
