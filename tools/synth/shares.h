// Drawing one of several kinds by weight.
#pragma once

#include <array>
#include <cstddef>

#include "base/random.h"

namespace rwku::synth {

template <typename Kind>
struct Share {
  Kind kind;
  double weight;  // relative to the others'
};

template <typename Kind, size_t kCount>
Kind Draw(const std::array<Share<Kind>, kCount>& shares, Random& random) {
  double total = 0;
  for (const auto& share : shares) {
    total += share.weight;
  }
  double at = random.Uniform() * total;
  for (const auto& share : shares) {
    at -= share.weight;
    if (at < 0) {
      return share.kind;
    }
  }
  return shares.back().kind;
}

}  // namespace rwku::synth
