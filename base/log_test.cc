#include "base/log.h"

#include <gtest/gtest.h>

namespace rwku {
namespace {

TEST(LogTest, WritesOneJsonObjectALine) {
  testing::internal::CaptureStderr();
  RWKU_LOG(kInfo, "say \"hi\"\n").With("job", "r1/j1").With("token", uint64_t{7});
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_NE(line.find(R"("message":"say \"hi\"\n")"), std::string::npos) << line;
  EXPECT_NE(line.find(R"("job":"r1/j1","token":7})"), std::string::npos) << line;
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(LogTest, DropsLinesBelowTheMinimum) {
  testing::internal::CaptureStderr();
  RWKU_LOG(kDebug, "hidden").With("a", 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(LogTest, SeveritiesHaveNames) {
  EXPECT_EQ(*ParseLogSeverity("debug"), LogSeverity::kDebug);
  EXPECT_EQ(*ParseLogSeverity("error"), LogSeverity::kError);
  EXPECT_TRUE(absl::IsInvalidArgument(ParseLogSeverity("loud").status()));
}

TEST(JsonEscapeTest, EscapesControlCharacters) {
  EXPECT_EQ(JsonEscape("a\x01\t\\"), "a\\u0001\\t\\\\");
}

TEST(JsonEscapeTest, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(JsonEscape("gr\xc3\xbc\xc3"), "gr\xc3\xbc\xef\xbf\xbd");
  EXPECT_EQ(JsonEscape("\xff\"\x80"), "\xef\xbf\xbd\\\"\xef\xbf\xbd");
  EXPECT_EQ(JsonEscape("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
}

}  // namespace
}  // namespace rwku
