// The score of a token from sums over a row of logits.
#pragma once

#include <cmath>

#include "worker/engine/decode/kernels.h"
#include "worker/engine/decode/runner.h"

namespace rwku::engine {

// With m the largest logit, d = l - m and c = log sum e^d: log p = d - c; the variance of log p is
// that of d, which is computed without c for accuracy.
inline TokenScore ScoreOf(const LogitSums& sums, float logit, bool is_most_likely) {
  const double log_sum = std::log(static_cast<double>(sums.exp));
  const double mean = static_cast<double>(sums.exp_d) / sums.exp;
  const double square = static_cast<double>(sums.exp_d_squared) / sums.exp;
  return {static_cast<float>(static_cast<double>(logit) - sums.max - log_sum),
          static_cast<float>(mean - log_sum), static_cast<float>(square - mean * mean),
          is_most_likely};
}

}  // namespace rwku::engine
