// Cooperative cancellation: one side asks, the other looks between steps.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace rwku {

// Thread-safe. The first reason given stands.
class CancelToken {
 public:
  CancelToken() = default;
  CancelToken(const CancelToken&) = delete;
  CancelToken& operator=(const CancelToken&) = delete;

  // Asks the work to stop; `reason` (not OK) is what Check() returns from now on.
  void Cancel(absl::Status reason);

  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

  // OK, or the reason of the cancellation. Cheap: call it once a step. Also says that the work goes
  // on.
  absl::Status Check() const;

  // How often the work asked Check().
  int64_t checks() const { return checks_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
  mutable std::atomic<int64_t> checks_{0};
  mutable absl::Mutex mu_;
  absl::Status reason_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rwku
