#include "base/backoff.h"

#include "gtest/gtest.h"

namespace rwku {
namespace {

TEST(BackoffTest, DoublesUpToTheLimitWithJitterBelowTheNominalWait) {
  Backoff backoff({.initial = absl::Seconds(1), .limit = absl::Seconds(4)}, Random(0, "w0"));
  for (const int nominal : {1, 2, 4, 4}) {
    const absl::Duration wait = backoff.Next();
    EXPECT_GE(wait, absl::Seconds(nominal) * 0.5);
    EXPECT_LE(wait, absl::Seconds(nominal));
  }
  backoff.Reset();
  EXPECT_LE(backoff.Next(), absl::Seconds(1));
}

TEST(BackoffTest, DifferentJittersWaitDifferently) {
  Backoff one({}, Random(0, "w0"));
  Backoff other({}, Random(0, "w1"));
  EXPECT_NE(one.Next(), other.Next());
}

}  // namespace
}  // namespace rwku
