// What a bench measures of its own process.
#pragma once

#include <cstdint>
#include <ctime>

#include "absl/time/time.h"
#include <sys/resource.h>

#include "base/clock.h"

namespace rwku::bench {

// Runs from its construction on.
class Stopwatch {
 public:
  double WallSeconds() const { return absl::ToDoubleSeconds(clock_.Monotonic() - start_); }
  // Of all threads of this process: what other programs do meanwhile does not count, but threads
  // that wait by spinning do.
  double ProcessorSeconds() const {
    return static_cast<double>(std::clock() - processor_start_) / CLOCKS_PER_SEC;
  }

 private:
  RealClock clock_;
  const absl::Duration start_ = clock_.Monotonic();
  const std::clock_t processor_start_ = std::clock();
};

// The most memory that this process ever held, mapped files among it.
inline int64_t PeakMemoryBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace rwku::bench
