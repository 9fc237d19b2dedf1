#include "server/auth/rate_limiter.h"

#include <algorithm>

namespace rwku::auth {

absl::Duration RateLimiter::Take(absl::string_view key, absl::Duration now) {
  auto found = buckets_.find(key);
  if (found == buckets_.end()) {
    if (buckets_.size() >= options_.max_keys) {
      buckets_.erase(used_.back());
      used_.pop_back();
    }
    used_.emplace_front(key);
    found = buckets_
                .emplace(std::string(key),
                         Bucket{.calls = options_.burst, .time = now, .used = used_.begin()})
                .first;
  }
  Bucket& bucket = found->second;
  used_.splice(used_.begin(), used_, bucket.used);
  const double gained = absl::ToDoubleSeconds(now - bucket.time) * options_.per_second;
  bucket.calls = std::min(options_.burst, bucket.calls + std::max(gained, 0.0));
  bucket.time = now;
  if (bucket.calls >= 1) {
    bucket.calls -= 1;
    return absl::ZeroDuration();
  }
  return absl::Seconds((1 - bucket.calls) / options_.per_second);
}

}  // namespace rwku::auth
