#include "worker/engine/decode/thread_team.h"

#include <algorithm>

#include "base/check.h"

namespace rwku::engine {

namespace {

constexpr uint32_t kOpen = 1;
constexpr uint32_t kEnd = 2;
constexpr uint32_t kHelper = 4;
constexpr uint32_t kHelpers = 0xfffc;
constexpr uint32_t kNextLoop = 0x10000;
constexpr int kMostThreads = kHelpers / kHelper;

// About 50 to 100 microseconds: the next loop of a pass comes sooner.
constexpr int kTurnsAwake = 2000;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Waits until is_over(state), and returns that state.
template <typename IsOver>
uint32_t WaitUntil(const std::atomic<uint32_t>& state, const IsOver& is_over) {
  for (int turn = 0; turn < kTurnsAwake; ++turn) {
    const uint32_t now = state.load(std::memory_order_acquire);
    if (is_over(now)) {
      return now;
    }
    Pause();
  }
  for (;;) {
    const uint32_t now = state.load(std::memory_order_acquire);
    if (is_over(now)) {
      return now;
    }
    state.wait(now, std::memory_order_acquire);
  }
}

}  // namespace

ThreadTeam::ThreadTeam(int threads) {
  RWKU_CHECK(threads >= 1 && threads <= kMostThreads);
  helpers_.reserve(static_cast<size_t>(threads - 1));
  for (int thread = 1; thread < threads; ++thread) {
    helpers_.emplace_back([this, thread] { Help(thread); });
  }
}

ThreadTeam::~ThreadTeam() {
  state_.fetch_or(kEnd);
  state_.notify_all();
  for (std::thread& helper : helpers_) {
    helper.join();
  }
}

void ThreadTeam::Run(const Loop& loop) {
  loop_ = loop;
  next_.store(0, std::memory_order_relaxed);
  // Nobody is inside, so that the sum carries into the number of loops alone.
  state_.fetch_add(kNextLoop | kOpen, std::memory_order_acq_rel);
  state_.notify_all();
  RunParts(0);
  if ((state_.fetch_and(~kOpen, std::memory_order_acq_rel) & kHelpers) != 0) {
    WaitUntil(state_, [](uint32_t state) { return (state & kHelpers) == 0; });
  }
}

void ThreadTeam::RunParts(int thread) {
  for (;;) {
    const int64_t begin = next_.fetch_add(loop_.grain, std::memory_order_relaxed);
    if (begin >= loop_.count) {
      return;
    }
    loop_.call(loop_.context, begin, std::min(begin + loop_.grain, loop_.count), thread);
  }
}

void ThreadTeam::Help(int thread) {
  uint32_t last_loop = 0;
  for (;;) {
    uint32_t state = WaitUntil(state_, [&](uint32_t now) {
      return (now & kEnd) != 0 || ((now & kOpen) != 0 && now / kNextLoop != last_loop);
    });
    if ((state & kEnd) != 0) {
      return;
    }
    // Fails where the loop was closed or somebody else came or left: look again.
    if (!state_.compare_exchange_strong(state, state + kHelper, std::memory_order_acq_rel)) {
      continue;
    }
    last_loop = state / kNextLoop;
    RunParts(thread);
    if ((state_.fetch_sub(kHelper, std::memory_order_acq_rel) & (kOpen | kHelpers)) == kHelper) {
      state_.notify_all();
    }
  }
}

}  // namespace rwku::engine
