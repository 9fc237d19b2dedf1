// Memory of the simulated device: pages that the host may touch only while they are opened for an
// operator. A touch at any other time ends the process with a message that says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Storage.h>

namespace rwku::simulated {

// The allocator of the device. Fresh memory is full of 0xFF (NaN as float32 and bfloat16, -1 as an
// integer): what reads before it writes shows. Throws c10::OutOfMemoryError beyond the capacity.
// Addresses are not used again, so that a touch of freed memory faults too.
c10::DeviceAllocator& DeviceMemory();

// Memory of the host that the device copies from and to without waiting, as pinned memory is.
c10::Allocator& PinnedMemory();
bool IsPinned(const void* data);

// Bytes that may be allocated at one time; without a limit from the beginning.
void SetCapacity(int64_t bytes);
int64_t AllocatedBytes();
// The most since the last ResetPeak.
int64_t PeakBytes();
void ResetPeak();

// One allocation.
struct Block;

// Opens the memory of storages of the device for this process while it lives. The memory must
// outlive it where a storage is given other memory meanwhile.
class OpenPages {
 public:
  OpenPages() = default;
  OpenPages(const OpenPages&) = delete;
  OpenPages& operator=(const OpenPages&) = delete;
  ~OpenPages();

  void Add(const c10::Storage& storage);

 private:
  std::vector<c10::Storage> storages_;  // keeps them alive
  std::vector<Block*> blocks_;
};

}  // namespace rwku::simulated
