// Token buckets: how many calls a second each identity may make. Pure: times come with the calls.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rwku::auth {

// Not thread-safe.
class RateLimiter {
 public:
  struct Options {
    double per_second = 0;  // calls that a bucket gains; above 0
    double burst = 0;       // calls that it holds at most; at least 1
    size_t max_keys = 10'000;
  };

  explicit RateLimiter(const Options& options) : options_(options) {}

  // Takes one call of `key` at `now` (monotonic). Zero if it may go on, else the time after which
  // the next one may. Beyond `max_keys` the bucket that was used least recently is forgotten.
  absl::Duration Take(absl::string_view key, absl::Duration now);

  size_t keys() const { return buckets_.size(); }

 private:
  struct Bucket {
    double calls = 0;  // as of `time`
    absl::Duration time;
    std::list<std::string>::iterator used;
  };

  const Options options_;
  std::map<std::string, Bucket, std::less<>> buckets_;
  std::list<std::string> used_;  // keys, the most recently used first
};

}  // namespace rwku::auth
