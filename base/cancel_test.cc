#include "base/cancel.h"

#include <gtest/gtest.h>

namespace rwku {
namespace {

TEST(CancelTokenTest, IsOkUntilCancelled) {
  CancelToken token;
  EXPECT_FALSE(token.cancelled());
  EXPECT_TRUE(token.Check().ok());
}

TEST(CancelTokenTest, KeepsTheFirstReason) {
  CancelToken token;
  token.Cancel(absl::CancelledError("revoked"));
  token.Cancel(absl::InternalError("later"));
  EXPECT_TRUE(token.cancelled());
  EXPECT_EQ(token.Check().message(), "revoked");
}

}  // namespace
}  // namespace rwku
