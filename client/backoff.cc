#include "client/backoff.h"

#include <algorithm>

namespace rwku::client {

absl::Duration Backoff::Next() {
  const absl::Duration wait = next_ * (0.5 + 0.5 * random_.Uniform());
  next_ = std::min(next_ * 2, longest_);
  return wait;
}

}  // namespace rwku::client
