#include "base/cancel.h"

#include <utility>

#include "base/check.h"

namespace rwku {

void CancelToken::Cancel(absl::Status reason) {
  RWKU_CHECK(!reason.ok());
  absl::MutexLock lock(&mu_);
  if (reason_.ok()) {
    reason_ = std::move(reason);
  }
  cancelled_.store(true, std::memory_order_release);
}

absl::Status CancelToken::Check() const {
  checks_.fetch_add(1, std::memory_order_relaxed);
  if (!cancelled()) {
    return absl::OkStatus();
  }
  absl::MutexLock lock(&mu_);
  return reason_;
}

}  // namespace rwku
