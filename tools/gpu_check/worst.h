// The largest of many differences.
#pragma once

#include <cmath>
#include <string>

namespace rwku::gpu_check {

// The largest so far, and what it is of. NaN is larger than every number, and stays.
struct Worst {
  double value = 0;
  std::string of;

  void Take(double difference, const std::string& candidate) {
    if (!std::isnan(value) && !(difference <= value)) {
      value = difference;
      of = candidate;
    }
  }
};

}  // namespace rwku::gpu_check
