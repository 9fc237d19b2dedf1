#include "net/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rwku::net {
namespace {

TEST(StatusTest, EveryCodeSurvivesTheWayThereAndBack) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "what and why");
    EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(status)), status);
  }
  EXPECT_TRUE(FromGrpcStatus(ToGrpcStatus(absl::OkStatus())).ok());
}

TEST(StatusTest, LongMessageIsCutOffBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 2000; ++i) {
    text += "\xC3\xA9";
  }
  const std::string cut = ToGrpcStatus(absl::InternalError(text)).error_message();
  EXPECT_LE(cut.size(), kMaxMessageBytes);
  EXPECT_EQ(cut.substr(cut.size() - 5), "\xC3\xA9...");
}

TEST(StatusTest, InvalidFieldsNamesEveryFieldInMessageAndDetails) {
  const absl::Status status = InvalidFields({{"spec.model", "is empty"}, {"spec.seeds[1]", "is"}});
  EXPECT_EQ(status.message(), "spec.model: is empty; spec.seeds[1]: is");
  const v1::ErrorDetails details = DetailsOf(status);
  ASSERT_EQ(details.violations_size(), 2);
  EXPECT_EQ(details.violations(1).field(), "spec.seeds[1]");
}

}  // namespace
}  // namespace rwku::net
