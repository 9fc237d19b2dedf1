#include "worker/engine/parallel/store_thread.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

#include "base/clock.h"
#include "worker/engine/parallel/c10d_error.h"

namespace rwku::engine {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(20);
constexpr absl::Duration kGrace = absl::Seconds(1);

}  // namespace

struct StoreThread::Task {
  std::function<void()> call;
  absl::Status status;
  bool is_done = false;
};

struct StoreThread::State {
  absl::Mutex mu;
  std::deque<std::shared_ptr<Task>> tasks ABSL_GUARDED_BY(mu);
  std::function<void()> idle ABSL_GUARDED_BY(mu);
  absl::Duration interval ABSL_GUARDED_BY(mu) = absl::InfiniteDuration();
  bool is_woken ABSL_GUARDED_BY(mu) = false;
  bool stops ABSL_GUARDED_BY(mu) = false;
  bool has_ended ABSL_GUARDED_BY(mu) = false;
  std::thread thread;  // of the owner alone
};

StoreThread::StoreThread() : state_(std::make_shared<State>()) {
  state_->thread = std::thread([state = state_] { Loop(state); });
}

StoreThread::~StoreThread() {
  bool has_ended = false;
  {
    const absl::MutexLock lock(&state_->mu);
    state_->stops = true;
    state_->mu.AwaitWithTimeout(absl::Condition(&state_->has_ended), kGrace);
    has_ended = state_->has_ended;
  }
  if (has_ended) {
    state_->thread.join();
  } else {
    state_->thread.detach();
  }
}

void StoreThread::SetIdle(std::function<void()> idle, absl::Duration interval) {
  const absl::MutexLock lock(&state_->mu);
  state_->idle = std::move(idle);
  state_->interval = interval;
  state_->is_woken = true;
}

void StoreThread::Wake() {
  const absl::MutexLock lock(&state_->mu);
  state_->is_woken = true;
}

absl::Status StoreThread::Run(absl::string_view operation, absl::Duration limit,
                              const std::function<absl::Status()>& interrupt,
                              std::function<void()> call) {
  const RealClock clock;
  const absl::Duration end = clock.Monotonic() + limit;
  const auto task = std::make_shared<Task>();
  task->call = std::move(call);
  {
    const absl::MutexLock lock(&state_->mu);
    state_->tasks.push_back(task);
  }
  while (true) {
    if (absl::Status status = interrupt(); !status.ok()) {
      return status;
    }
    const absl::Duration left = end - clock.Monotonic();
    const absl::MutexLock lock(&state_->mu);
    if (state_->mu.AwaitWithTimeout(absl::Condition(&task->is_done),
                                    std::clamp(left, absl::ZeroDuration(), kLook))) {
      return task->status;
    }
    if (left <= absl::ZeroDuration()) {
      return absl::UnavailableError(
          absl::StrCat(operation, ": no answer within ", absl::FormatDuration(limit)));
    }
  }
}

void StoreThread::Loop(const std::shared_ptr<State>& state) {
  const RealClock clock;
  absl::Duration next_idle = clock.Monotonic();
  while (true) {
    std::shared_ptr<Task> task;
    std::function<void()> idle;
    {
      const absl::MutexLock lock(&state->mu);
      const auto has_work = [&state]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return state->stops || state->is_woken || !state->tasks.empty();
      };
      state->mu.AwaitWithTimeout(absl::Condition(&has_work),
                                 state->idle ? next_idle - clock.Monotonic() : kGrace);
      if (!state->tasks.empty()) {
        task = state->tasks.front();
        state->tasks.pop_front();
      } else if (state->stops && !state->is_woken) {
        state->has_ended = true;
        return;
      }
      if (state->idle && (state->is_woken || clock.Monotonic() >= next_idle)) {
        idle = state->idle;
        next_idle = clock.Monotonic() + state->interval;
      }
      state->is_woken = false;
    }
    if (idle) {
      idle();
    }
    if (task != nullptr) {
      absl::Status status;
      try {
        task->call();
      } catch (const std::exception& error) {
        status = absl::UnavailableError(C10dMessage(error));
      }
      task->call = nullptr;
      const absl::MutexLock lock(&state->mu);
      task->status = std::move(status);
      task->is_done = true;
    }
  }
}

}  // namespace rwku::engine
