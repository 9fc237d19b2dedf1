#include "server/auth/audit_log.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "base/file.h"
#include "tests/testing/resource_limit.h"
#include "tests/testing/temporary_folder.h"

namespace rwku::auth {
namespace {

AuditRecord Of(const std::string& method, const std::string& resource = "") {
  AuditRecord record;
  record.method = method;
  record.resource = resource;
  record.outcome = "OK";
  return record;
}

class AuditLogTest : public ::testing::Test {
 protected:
  std::vector<std::string> Lines() const {
    return absl::StrSplit(*ReadFile(path_), '\n', absl::SkipEmpty());
  }

  const testing::TemporaryFolder folder_;
  const std::string path_ = folder_ / "audit.log";
  const RealClock clock_;
};

TEST_F(AuditLogTest, WhatAPeerSentIsValidJson) {
  const auto log = AuditLog::Open(path_, &clock_);
  ASSERT_TRUE(log.ok()) << log.status();
  (*log)->Write(Of("/a\xff\"\n", "runs/gr\xc3"));
  ASSERT_EQ(Lines().size(), 1U);
  const auto line = nlohmann::json::parse(Lines()[0]);
  EXPECT_EQ(line["method"], "/a\xef\xbf\xbd\"\n");
  EXPECT_EQ(line["resource"], "runs/gr\xef\xbf\xbd");
  EXPECT_FALSE(line.contains("count"));
}

TEST_F(AuditLogTest, ALineThatStandsForSeveralSaysSo) {
  const auto log = AuditLog::Open(path_, &clock_);
  ASSERT_TRUE(log.ok()) << log.status();
  AuditRecord record = Of("/x");
  record.count = 7;
  (*log)->Write(record);
  EXPECT_EQ(nlohmann::json::parse(Lines().at(0))["count"], 7);
}

TEST_F(AuditLogTest, ALineThatWasCutIsNotGluedToTheNext) {
  const auto log = AuditLog::Open(path_, &clock_);
  ASSERT_TRUE(log.ok()) << log.status();
  (*log)->Write(Of("/first"));
  {
    // The first write is cut short, the next one fails.
    const testing::ResourceLimit full(RLIMIT_FSIZE, std::filesystem::file_size(path_) + 20);
    ::testing::internal::CaptureStderr();
    (*log)->Write(Of("/cut"));
    (*log)->Write(Of("/lost"));
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::HasSubstr("File too large"));
  }
  (*log)->Write(Of("/after"));
  (*log)->Write(Of("/last"));
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[1].size(), 20U);
  EXPECT_EQ(nlohmann::json::parse(lines[2])["method"], "/after");
  EXPECT_EQ(nlohmann::json::parse(lines[3])["method"], "/last");
}

TEST_F(AuditLogTest, ALineThatAnEarlierProcessCutIsNotGluedToTheNext) {
  std::ofstream(path_) << "{\"time\":\"20";
  const auto log = AuditLog::Open(path_, &clock_);
  ASSERT_TRUE(log.ok()) << log.status();
  (*log)->Write(Of("/after"));
  ASSERT_EQ(Lines().size(), 2U);
  EXPECT_EQ(nlohmann::json::parse(Lines()[1])["method"], "/after");
}

}  // namespace
}  // namespace rwku::auth
