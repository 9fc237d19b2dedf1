#include "server/auth/rate_limiter.h"

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

namespace rwku::auth {
namespace {

constexpr RateLimiter::Options kOptions = {.per_second = 2, .burst = 3, .max_keys = 2};

TEST(RateLimiterTest, ABurstPassesThenCallsComeAtTheRate) {
  RateLimiter limiter(kOptions);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(limiter.Take("a", absl::Seconds(10)), absl::ZeroDuration());
  }
  EXPECT_EQ(limiter.Take("a", absl::Seconds(10)), absl::Seconds(0.5));
  EXPECT_EQ(limiter.Take("a", absl::Seconds(10.25)), absl::Seconds(0.25));
  EXPECT_EQ(limiter.Take("a", absl::Seconds(10.5)), absl::ZeroDuration());
  EXPECT_GT(limiter.Take("a", absl::Seconds(10.5)), absl::ZeroDuration());
}

TEST(RateLimiterTest, ABucketHoldsNoMoreThanABurst) {
  RateLimiter limiter(kOptions);
  limiter.Take("a", absl::ZeroDuration());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(limiter.Take("a", absl::Hours(1)), absl::ZeroDuration());
  }
  EXPECT_GT(limiter.Take("a", absl::Hours(1)), absl::ZeroDuration());
}

TEST(RateLimiterTest, KeysDoNotShare) {
  RateLimiter limiter(kOptions);
  for (int i = 0; i < 3; ++i) {
    limiter.Take("a", absl::ZeroDuration());
  }
  EXPECT_GT(limiter.Take("a", absl::ZeroDuration()), absl::ZeroDuration());
  EXPECT_EQ(limiter.Take("b", absl::ZeroDuration()), absl::ZeroDuration());
}

TEST(RateLimiterTest, TheLeastRecentlyUsedKeyIsForgotten) {
  RateLimiter limiter(kOptions);
  for (int i = 0; i < 3; ++i) {
    limiter.Take("a", absl::ZeroDuration());
  }
  limiter.Take("b", absl::ZeroDuration());
  EXPECT_GT(limiter.Take("a", absl::ZeroDuration()), absl::ZeroDuration());
  limiter.Take("c", absl::ZeroDuration());  // in place of b
  EXPECT_EQ(limiter.keys(), 2U);
  EXPECT_GT(limiter.Take("a", absl::ZeroDuration()), absl::ZeroDuration());
  for (int i = 0; i < 1000; ++i) {
    limiter.Take(absl::StrCat("k", i), absl::ZeroDuration());
  }
  EXPECT_EQ(limiter.keys(), 2U);
}

TEST(RateLimiterTest, AClockThatStandsStillOrGoesBackGivesNothing) {
  RateLimiter limiter(kOptions);
  for (int i = 0; i < 3; ++i) {
    limiter.Take("a", absl::Seconds(10));
  }
  EXPECT_GT(limiter.Take("a", absl::Seconds(5)), absl::ZeroDuration());
}

}  // namespace
}  // namespace rwku::auth
