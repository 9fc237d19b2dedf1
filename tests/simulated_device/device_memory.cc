#include "tests/simulated_device/device_memory.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include <c10/core/Device.h>
#include <c10/util/Exception.h>
#include <sys/mman.h>

#include "base/check.h"
#include "tests/simulated_device/synchronisations.h"

namespace rwku::simulated {

struct Block {
  char* data = nullptr;
  size_t bytes = 0;
  int open = 0;  // how many OpenPages have it
};

namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kArenaBytes = size_t{1} << 40;  // addresses alone
constexpr int kFresh = 0xFF;

// Addresses, handed out from the beginning to the end.
class Arena {
 public:
  Arena() {
    void* const base =
        mmap(nullptr, kArenaBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    RWKU_CHECK(base != MAP_FAILED);
    base_ = static_cast<char*>(base);
  }

  // Whole pages that nobody may touch, and one more behind them for what reads past an end.
  char* Take(size_t bytes) {
    const size_t begin = used_;
    used_ += (bytes + kPageBytes - 1) / kPageBytes * kPageBytes + kPageBytes;
    RWKU_CHECK(used_ <= kArenaBytes);
    return base_ + begin;
  }

  // The pages' memory goes back to the system, their addresses do not.
  static void Drop(char* data, size_t bytes) {
    RWKU_CHECK(mmap(data, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
                    -1, 0) != MAP_FAILED);
  }

  bool Contains(const void* address) const {
    const auto* const byte = static_cast<const char*>(address);
    return byte >= base_ && byte < base_ + kArenaBytes;
  }

 private:
  char* base_ = nullptr;
  size_t used_ = 0;
};

void Protect(const Block& block, int protection) {
  RWKU_CHECK(mprotect(block.data, block.bytes, protection) == 0);
}

struct State {
  absl::Mutex mu;
  Arena device ABSL_GUARDED_BY(mu);
  Arena pinned ABSL_GUARDED_BY(mu);
  int64_t capacity ABSL_GUARDED_BY(mu) = std::numeric_limits<int64_t>::max();
  int64_t allocated ABSL_GUARDED_BY(mu) = 0;
  int64_t peak ABSL_GUARDED_BY(mu) = 0;
};

State& Global() {
  static State& state = *new State;
  return state;
}

struct sigaction previous_handler = {};

// Runs in a signal handler: an arena's range is fixed before the handler is there.
void OnFault(int signal, siginfo_t* info, void* /*context*/) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (!Global().device.Contains(info->si_addr)) {
    // The fault comes again when this returns.
    sigaction(signal, &previous_handler, nullptr);
    return;
  }
  char text[160];
  const int size = std::snprintf(text, sizeof text,
                                 "simulated device: the host touched device memory at %p; the "
                                 "latest operators:",
                                 info->si_addr);
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, text, static_cast<size_t>(size));
  WriteLatestOperators();
  written = write(STDERR_FILENO, "\n", 1);
  std::abort();
}

void InstallFaultHandler() {
  struct sigaction action = {};
  action.sa_sigaction = &OnFault;
  action.sa_flags = SA_SIGINFO;
  RWKU_CHECK(sigaction(SIGSEGV, &action, &previous_handler) == 0);
}

class Allocator final : public c10::DeviceAllocator {
 public:
  Allocator() {
    Global();
    InstallFaultHandler();
  }

  c10::DataPtr allocate(size_t bytes) override {
    const c10::Device device(c10::kPrivateUse1, 0);
    if (bytes == 0) {
      return {nullptr, nullptr, &Free, device};
    }
    State& state = Global();
    const absl::MutexLock lock(&state.mu);
    const auto wanted = static_cast<int64_t>(bytes);
    TORCH_CHECK_WITH(OutOfMemoryError, wanted <= state.capacity - state.allocated,
                     "simulated device: out of memory: ", wanted, " bytes asked for, ",
                     state.capacity - state.allocated, " free of ", state.capacity);
    state.allocated += wanted;
    state.peak = std::max(state.peak, state.allocated);
    auto* const block = new Block{state.device.Take(bytes), bytes};
    Protect(*block, PROT_READ | PROT_WRITE);
    std::memset(block->data, kFresh, bytes);
    Protect(*block, PROT_NONE);
    return {block->data, block, &Free, device};
  }

  void copy_data(void* /*to*/, const void* /*from*/, size_t /*bytes*/) const override {
    TORCH_CHECK(false, "simulated device: memory is copied by _copy_from alone");
  }

  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t /*pool*/) override {}
  void recordStream(const c10::DataPtr& /*data*/, c10::Stream /*stream*/) override {}

  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex /*device*/) override {
    State& state = Global();
    const absl::MutexLock lock(&state.mu);
    c10::CachingDeviceAllocator::DeviceStats stats;
    const auto aggregate = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    for (auto* const bytes : {&stats.allocated_bytes, &stats.reserved_bytes}) {
      (*bytes)[aggregate].current = state.allocated;
      (*bytes)[aggregate].peak = state.peak;
    }
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex /*device*/) override {}
  void resetPeakStats(c10::DeviceIndex /*device*/) override { ResetPeak(); }

  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex /*device*/) override {
    State& state = Global();
    const absl::MutexLock lock(&state.mu);
    return {static_cast<size_t>(state.capacity - state.allocated),
            static_cast<size_t>(state.capacity)};
  }

 private:
  static void Free(void* context) {
    auto* const block = static_cast<Block*>(context);
    if (block == nullptr) {
      return;
    }
    State& state = Global();
    {
      const absl::MutexLock lock(&state.mu);
      RWKU_CHECK(block->open == 0);
      Arena::Drop(block->data, block->bytes);
      state.allocated -= static_cast<int64_t>(block->bytes);
    }
    delete block;
  }
};

class PinnedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) {
      return {nullptr, nullptr, &Free, c10::Device(c10::kCPU)};
    }
    State& state = Global();
    const absl::MutexLock lock(&state.mu);
    auto* const block = new Block{state.pinned.Take(bytes), bytes};
    Protect(*block, PROT_READ | PROT_WRITE);
    return {block->data, block, &Free, c10::Device(c10::kCPU)};
  }

  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  static void Free(void* context) {
    auto* const block = static_cast<Block*>(context);
    if (block != nullptr) {
      Arena::Drop(block->data, block->bytes);
      delete block;
    }
  }
};

Block* BlockOf(const c10::Storage& storage) {
  return static_cast<Block*>(storage.data_ptr().get_context());
}

}  // namespace

c10::DeviceAllocator& DeviceMemory() {
  static Allocator& allocator = *new Allocator;
  return allocator;
}

c10::Allocator& PinnedMemory() {
  static PinnedAllocator& allocator = *new PinnedAllocator;
  return allocator;
}

bool IsPinned(const void* data) {
  State& state = Global();
  const absl::MutexLock lock(&state.mu);
  return state.pinned.Contains(data);
}

void SetCapacity(int64_t bytes) {
  State& state = Global();
  const absl::MutexLock lock(&state.mu);
  state.capacity = bytes;
}

int64_t AllocatedBytes() {
  State& state = Global();
  const absl::MutexLock lock(&state.mu);
  return state.allocated;
}

int64_t PeakBytes() {
  State& state = Global();
  const absl::MutexLock lock(&state.mu);
  return state.peak;
}

void ResetPeak() {
  State& state = Global();
  const absl::MutexLock lock(&state.mu);
  state.peak = state.allocated;
}

void OpenPages::Add(const c10::Storage& storage) {
  Block* const block = BlockOf(storage);
  if (block == nullptr) {
    return;
  }
  State& state = Global();
  const absl::MutexLock lock(&state.mu);
  if (block->open++ == 0) {
    Protect(*block, PROT_READ | PROT_WRITE);
  }
  storages_.push_back(storage);
  blocks_.push_back(block);
}

OpenPages::~OpenPages() {
  State& state = Global();
  const absl::MutexLock lock(&state.mu);
  for (Block* const block : blocks_) {
    if (--block->open == 0) {
      Protect(*block, PROT_NONE);
    }
  }
}

}  // namespace rwku::simulated
