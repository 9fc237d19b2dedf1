#include "worker/engine/train/device_memory.h"

#include <c10/core/CachingDeviceAllocator.h>

#include "worker/engine/memory/host_memory.h"

namespace rwku::engine {

DeviceMemory ReadDeviceMemory(at::Device device) {
  if (device.is_cpu()) {
    const HostMemory host = ReadHostMemory();
    return {host.total_bytes, host.available_bytes};
  }
  c10::DeviceAllocator* const allocator = c10::getDeviceAllocator(device.type());
  const auto index = device.has_index() ? device.index() : c10::DeviceIndex{0};
  const auto stats = allocator->getDeviceStats(index);
  const auto aggregate = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const auto [free, total] = allocator->getMemoryInfo(index);
  return {static_cast<int64_t>(total), static_cast<int64_t>(free) +
                                           stats.reserved_bytes[aggregate].current -
                                           stats.allocated_bytes[aggregate].current};
}

}  // namespace rwku::engine
