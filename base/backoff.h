// How long to wait before the next try: exponential, capped, with jitter, so that many who lost the
// same server do not come back in one moment.
#pragma once

#include "absl/time/time.h"

#include "base/random.h"

namespace rwku {

struct BackoffOptions {
  absl::Duration initial = absl::Milliseconds(200);
  absl::Duration limit = absl::Seconds(10);
};

// Not thread-safe.
class Backoff {
 public:
  // `jitter` should differ from process to process.
  Backoff(BackoffOptions options, Random jitter)
      : options_(options), random_(jitter), next_(options.initial) {}

  // Between a half of and the whole nominal wait, which doubles by every call up to the limit.
  absl::Duration Next();

  // The next wait is an initial one again.
  void Reset() { next_ = options_.initial; }

 private:
  const BackoffOptions options_;
  Random random_;
  absl::Duration next_;
};

}  // namespace rwku
