#include "worker/engine/cuda/emulation.h"

#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace rwku::engine::cuda::emulation {

ThreadState current;

namespace {

constexpr unsigned kWarp = 32;
constexpr unsigned kMaxThreads = 1024;
constexpr size_t kStackBytes = size_t{256} << 10;

enum class State { kReady, kAtBarrier, kAtShuffle, kDone };

struct Fiber {
  ucontext_t context;
  char* stack = nullptr;
  State state = State::kDone;
  Location where;
  void* asan_stack = nullptr;  // what AddressSanitizer keeps of it while it does not run
};

// Two sets of values a warp: a lane can be one shuffle ahead of those that still read, never two.
struct Warp {
  std::array<std::array<uint64_t, kWarp>, 2> values = {};
};

// Before every switch and after it AddressSanitizer is told on which stack the program goes on.
class StackSwitch {
 public:
  StackSwitch([[maybe_unused]] void** saved, [[maybe_unused]] const void* stack,
              [[maybe_unused]] size_t size) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(saved, stack, size);
#endif
  }
};

void FinishSwitch([[maybe_unused]] void* saved, [[maybe_unused]] const void** old_stack,
                  [[maybe_unused]] size_t* old_size) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(saved, old_stack, old_size);
#endif
}

std::string At(Location where) {
  return std::string(where.file) + ":" + std::to_string(where.line);
}

class Machine {
 public:
  void SetOrder(Order order) { order_ = order; }

  void Launch(dim3 grid, dim3 block, const std::function<void()>& kernel) {
    if (block.x == 0 || block.x > kMaxThreads || grid.x == 0) {
      throw Fault("a launch of " + std::to_string(grid.x) + " blocks of " +
                  std::to_string(block.x) + " threads");
    }
    kernel_ = &kernel;
    current.block_size = block;
    current.grid_size = grid;
    while (fibers_.size() < block.x) {
      Fiber fiber;
      fiber.stack = static_cast<char*>(
          mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      if (fiber.stack == MAP_FAILED) {
        throw Fault("no memory for the stack of a thread");
      }
      fibers_.push_back(fiber);
    }
    warps_.assign((block.x + kWarp - 1) / kWarp, Warp{});
    shuffles_.assign(block.x, 0);
    for (const unsigned index : Ordered(grid.x)) {
      current.block_index = {index};
      RunBlock(block.x);
    }
  }

  uint64_t stretch() const { return stretch_; }
  uint64_t block() const { return block_; }

  void Pause(State state, Location where) {
    Fiber& fiber = fibers_[running_];
    fiber.state = state;
    fiber.where = where;
    const StackSwitch to_host(&fiber.asan_stack, host_stack_, host_stack_bytes_);
    swapcontext(&fiber.context, &host_);
    FinishSwitch(fiber.asan_stack, &host_stack_, &host_stack_bytes_);
  }

  uint64_t Exchange(uint64_t value, int lane_mask, Location where) {
    if (current.block_size.x % kWarp != 0) {
      Fail("a shuffle in a block of " + std::to_string(current.block_size.x) +
               " threads, not whole warps,",
           where);
    }
    const unsigned thread = running_;
    const unsigned lane = thread % kWarp;
    const unsigned other = lane ^ static_cast<unsigned>(lane_mask);
    if (other >= kWarp) {
      Fail("a shuffle with lane " + std::to_string(other), where);
    }
    auto& values = warps_[thread / kWarp].values[shuffles_[thread]++ % 2];
    values[lane] = value;
    Pause(State::kAtShuffle, where);
    return values[other];
  }

 private:
  static void Enter() { Instance().Run(); }

  // A fiber from its begin to its end.
  void Run() {
    FinishSwitch(nullptr, &host_stack_, &host_stack_bytes_);
    try {
      (*kernel_)();
    } catch (...) {
      failure_ = std::current_exception();
    }
    fibers_[running_].state = State::kDone;
    const StackSwitch to_host(nullptr, host_stack_, host_stack_bytes_);
    setcontext(&host_);
  }

  std::vector<unsigned> Ordered(unsigned count) {
    std::vector<unsigned> order(count);
    std::iota(order.begin(), order.end(), 0U);
    if (order_ == Order::kDescending) {
      std::reverse(order.begin(), order.end());
    } else if (order_ == Order::kShuffled) {
      std::shuffle(order.begin(), order.end(), random_);
    }
    return order;
  }

  void Resume(unsigned thread) {
    running_ = thread;
    current.thread_index = {thread};
    Fiber& fiber = fibers_[thread];
    void* saved = nullptr;
    const StackSwitch to_fiber(&saved, fiber.stack, kStackBytes);
    swapcontext(&host_, &fiber.context);
    FinishSwitch(saved, nullptr, nullptr);
    if (failure_ != nullptr) {
      std::rethrow_exception(std::exchange(failure_, nullptr));
    }
  }

  // By itself: getcontext may return twice as far as the compiler knows.
  [[gnu::noinline]] static void Prepare(Fiber& fiber) {
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(fiber.stack, kStackBytes);  // a block that failed left frames
#endif
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, &Machine::Enter, 0);
    fiber.state = State::kReady;
  }

  void RunBlock(unsigned threads) {
    ++block_;
    ++stretch_;
    for (unsigned t = 0; t < threads; ++t) {
      Prepare(fibers_[t]);
    }
    while (true) {
      bool has_run = false;
      for (const unsigned t : Ordered(threads)) {
        if (fibers_[t].state == State::kReady) {
          Resume(t);
          has_run = true;
        }
      }
      if (!has_run && !Release(threads)) {
        return;
      }
    }
  }

  // With no thread that can run: lets go those whose barrier or shuffle is complete. False where
  // all are done.
  bool Release(unsigned threads) {
    bool has_released = false;
    for (unsigned begin = 0; begin < threads; begin += kWarp) {
      if (fibers_[begin].state == State::kAtShuffle && AreTogether(begin, begin + kWarp)) {
        SetReady(begin, begin + kWarp);
        has_released = true;
      }
    }
    if (has_released) {
      return true;
    }
    if (fibers_[0].state == State::kAtBarrier && AreTogether(0, threads)) {
      ++stretch_;
      SetReady(0, threads);
      return true;
    }
    for (unsigned t = 0; t < threads; ++t) {
      if (fibers_[t].state != State::kDone) {
        FailDivergent(t, threads);
      }
    }
    return false;
  }

  bool AreTogether(unsigned begin, unsigned end) const {
    return std::all_of(fibers_.begin() + begin, fibers_.begin() + end, [&](const Fiber& fiber) {
      return fiber.state == fibers_[begin].state && fiber.where.line == fibers_[begin].where.line;
    });
  }

  void SetReady(unsigned begin, unsigned end) {
    for (unsigned t = begin; t < end; ++t) {
      fibers_[t].state = State::kReady;
    }
  }

  [[noreturn]] void FailDivergent(unsigned waiting, unsigned threads) const {
    const Fiber& fiber = fibers_[waiting];
    std::string what = fiber.state == State::kAtBarrier ? "divergent barrier" : "divergent shuffle";
    what += ": thread " + std::to_string(waiting) + " waits at " + At(fiber.where);
    for (unsigned t = 0; t < threads; ++t) {
      const Fiber& other = fibers_[t];
      if (other.state == State::kDone) {
        throw Fault(what + ", thread " + std::to_string(t) + " has ended");
      }
      if (other.state != fiber.state || other.where.line != fiber.where.line) {
        throw Fault(what + ", thread " + std::to_string(t) + " at " + At(other.where));
      }
    }
    throw Fault(what);
  }

 public:
  static Machine& Instance() {
    static Machine machine;
    return machine;
  }

 private:
  Order order_ = Order::kAscending;
  std::mt19937 random_{17};
  const std::function<void()>* kernel_ = nullptr;
  std::vector<Fiber> fibers_;
  std::vector<Warp> warps_;
  std::vector<unsigned> shuffles_;  // of every thread so far
  unsigned running_ = 0;
  uint64_t block_ = 0;
  uint64_t stretch_ = 0;
  std::exception_ptr failure_;
  ucontext_t host_;
  const void* host_stack_ = nullptr;
  size_t host_stack_bytes_ = 0;
};

}  // namespace

void SetOrder(Order order) { Machine::Instance().SetOrder(order); }

void Launch(dim3 grid, dim3 block, const std::function<void()>& kernel) {
  Machine::Instance().Launch(grid, block, kernel);
}

uint64_t CurrentStretch() { return Machine::Instance().stretch(); }
uint64_t CurrentBlock() { return Machine::Instance().block(); }

void Fail(const std::string& what, Location where) {
  throw Fault(what + " at " + At(where) + ", thread " + std::to_string(current.thread_index.x) +
              " of block " + std::to_string(current.block_index.x));
}

void WaitForBlock(Location where) { Machine::Instance().Pause(State::kAtBarrier, where); }

uint64_t Exchange(uint64_t value, int lane_mask, Location where) {
  return Machine::Instance().Exchange(value, lane_mask, where);
}

void Touches::Write(Location where) {
  const unsigned thread = current.thread_index.x;
  const uint64_t stretch = CurrentStretch();
  if ((write_stretch == stretch && writer != thread) ||
      (read_stretch == stretch && (has_many_readers || reader != thread))) {
    Fail("shared memory that another thread touched since the last barrier is written", where);
  }
  block = CurrentBlock();
  write_stretch = stretch;
  writer = thread;
}

void Touches::Read(Location where) {
  const unsigned thread = current.thread_index.x;
  const uint64_t stretch = CurrentStretch();
  if (block != CurrentBlock()) {
    Fail("shared memory that its block has not written is read", where);
  }
  if (write_stretch == stretch && writer != thread) {
    Fail("shared memory that another thread wrote since the last barrier is read", where);
  }
  if (read_stretch == stretch) {
    has_many_readers = has_many_readers || reader != thread;
  } else {
    has_many_readers = false;
  }
  read_stretch = stretch;
  reader = thread;
}

}  // namespace rwku::engine::cuda::emulation
