#include "worker/engine/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace rwku::engine {

double CosineWithWarmup(int step, int warmup_steps, int total_steps) {
  const int done = step - 1;
  if (done < warmup_steps) {
    return static_cast<double>(done) / std::max(1, warmup_steps);
  }
  const double progress =
      static_cast<double>(done - warmup_steps) / std::max(1, total_steps - warmup_steps);
  return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
}

double WarmupTimesCosine(int step, int warmup_steps, int total_steps, double floor) {
  const double warm = std::min(1.0, static_cast<double>(step) / std::max(1, warmup_steps));
  const double progress = std::min(1.0, static_cast<double>(step) / std::max(1, total_steps));
  return warm * (floor + (1.0 - floor) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
}

}  // namespace rwku::engine
