// The clock seam. Only RealClock reads the system's time; everything else is handed a Clock.
#pragma once

#include "absl/time/time.h"

namespace rwku {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Wall time, for display and records only.
  virtual absl::Time Now() const = 0;

  // Time since an arbitrary start that never jumps; leases and back-offs use this one.
  virtual absl::Duration Monotonic() const = 0;
};

class RealClock final : public Clock {
 public:
  absl::Time Now() const override;
  absl::Duration Monotonic() const override;
};

}  // namespace rwku
