#include "benchmark/report/exact_sum.h"

#include <cmath>
#include <cstddef>
#include <utility>

namespace rwku::report {

void ExactSum::Add(double value) {
  ++count_;
  size_t kept = 0;
  for (double part : parts_) {
    if (std::abs(value) < std::abs(part)) {
      std::swap(value, part);
    }
    const double high = value + part;
    const double low = part - (high - value);
    if (low != 0) {
      parts_[kept++] = low;
    }
    value = high;
  }
  parts_.resize(kept);
  if (value != 0) {
    parts_.push_back(value);
  }
}

double ExactSum::Sum() const {
  if (parts_.empty()) {
    return 0;
  }
  size_t left = parts_.size() - 1;
  double high = parts_[left];
  double low = 0;
  while (left > 0) {
    const double before = high;
    const double part = parts_[--left];
    high = before + part;
    low = part - (high - before);
    if (low != 0) {
      break;
    }
  }
  // Half-way cases: what follows decides which way to round.
  if (left > 0 && ((low < 0 && parts_[left - 1] < 0) || (low > 0 && parts_[left - 1] > 0))) {
    const double twice = 2 * low;
    const double rounded = high + twice;
    if (rounded - high == twice) {
      high = rounded;
    }
  }
  return high;
}

}  // namespace rwku::report
