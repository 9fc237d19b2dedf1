// How long to wait before trying again.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

#include "base/random.h"

namespace rwku::client {

// Waits that double from `first` to `longest`, each between half of that and all of it, so that
// clients that broke off together do not come back together. Not thread-safe.
class Backoff {
 public:
  Backoff(absl::Duration first, absl::Duration longest, uint64_t seed)
      : first_(first), longest_(longest), next_(first), random_(seed) {}

  absl::Duration Next();
  // The next wait is a first one again.
  void Reset() { next_ = first_; }

 private:
  const absl::Duration first_;
  const absl::Duration longest_;
  absl::Duration next_;
  Random random_;
};

}  // namespace rwku::client
