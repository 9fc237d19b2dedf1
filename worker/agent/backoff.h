// How long to wait before the next try: exponential, capped, with jitter, so that a fleet that lost
// its coordinator does not come back in one moment.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "base/random.h"

namespace rwku::agent {

struct BackoffOptions {
  absl::Duration initial = absl::Milliseconds(200);
  absl::Duration limit = absl::Seconds(10);
};

// Not thread-safe.
class Backoff {
 public:
  // Equal names give equal waits.
  Backoff(BackoffOptions options, absl::string_view name)
      : options_(options), random_(0, name), next_(options.initial) {}

  // Between a half of and the whole nominal wait, which doubles by every call up to the limit.
  absl::Duration Next();

  // The next wait is an initial one again.
  void Reset() { next_ = options_.initial; }

 private:
  const BackoffOptions options_;
  Random random_;
  absl::Duration next_;
};

}  // namespace rwku::agent
