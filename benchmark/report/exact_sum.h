// A sum of doubles that does not depend on the order of its terms.
#pragma once

#include <cstdint>

#include "absl/container/inlined_vector.h"

namespace rwku::report {

// Keeps the exact sum as a few doubles without common bits, smallest first (Shewchuk, "Adaptive
// Precision Floating-Point Arithmetic", 1997), so that equal terms in any order give the same
// bits. A sum of scores takes one to three of them.
class ExactSum {
 public:
  // `value` is finite and below 1e300 in magnitude.
  void Add(double value);

  // Number of terms.
  uint32_t count() const { return count_; }

  // The exact sum, correctly rounded.
  double Sum() const;

  // Sum over count; count > 0.
  double Mean() const { return Sum() / count_; }

 private:
  absl::InlinedVector<double, 2> parts_;
  uint32_t count_ = 0;
};

}  // namespace rwku::report
