// One draw from a model's next-token distribution.
#pragma once

#include <cstdint>

#include "absl/types/span.h"

namespace rwku::engine {

// The token that `draw`, of [0, 1), stands for, by inversion:
//
//   p(v) = exp((logit(v) - largest) / temperature) / sum over all tokens, in double;
//   tokens stand in order of falling logit, equal ones in order of rising id;
//   the first ones whose p reach `top_p` in sum are kept (the one that reaches it included);
//   the answer is the first kept token up to which p sums to more than draw x the sum of the kept.
//
// `temperature` above 0, `top_p` of (0, 1], Holtzman et al., 2020 (arXiv 1904.09751). A logit of
// minus infinity is a token that never comes. -1 where a logit is NaN or the largest is not finite.
int32_t SampleToken(absl::Span<const float> logits, double temperature, double top_p, double draw);

}  // namespace rwku::engine
