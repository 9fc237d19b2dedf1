#include "base/backoff.h"

#include <algorithm>

namespace rwku {

absl::Duration Backoff::Next() {
  const absl::Duration nominal = std::min(next_, options_.limit);
  next_ = std::min(nominal * 2, options_.limit);
  return nominal * (0.5 + 0.5 * random_.Uniform());
}

}  // namespace rwku
