#include "server/auth/refusal_log.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "server/auth/test_security.h"

namespace rwku::auth {
namespace {

class RefusalLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    audit_ = *AuditLog::Open(path_, &clock_);
    refusals_.emplace(audit_.get(), &clock_);
  }
  void Refuse(const std::string& outcome, const std::string& identity = "") {
    AuditRecord record;
    record.identity = identity;
    record.outcome = outcome;
    refusals_->Write(record);
  }
  // The calls that each line since the last time stands for.
  std::vector<int> Counts() {
    std::vector<int> counts;
    const std::vector<std::string> lines =
        absl::StrSplit(*ReadFile(path_), '\n', absl::SkipEmpty());
    for (; read_ < lines.size(); ++read_) {
      counts.push_back(nlohmann::json::parse(lines[read_]).value("count", 1));
    }
    return counts;
  }

  FakeClock clock_;
  const testing::TemporaryFolder folder_;
  const std::string path_ = folder_ / "audit.log";
  std::unique_ptr<AuditLog> audit_;
  std::optional<RefusalLog> refusals_;
  size_t read_ = 0;
};

TEST_F(RefusalLogTest, TooManyCallsAreOneLineASecond) {
  for (int i = 0; i < 500; ++i) {
    Refuse("RESOURCE_EXHAUSTED");
  }
  EXPECT_EQ(Counts(), std::vector<int>({1}));
  refusals_->Poll();
  EXPECT_EQ(Counts(), std::vector<int>());
  clock_.Advance(absl::Seconds(1));
  refusals_->Poll();
  EXPECT_EQ(Counts(), std::vector<int>({499}));
  // The count was this second's line.
  Refuse("RESOURCE_EXHAUSTED");
  EXPECT_EQ(Counts(), std::vector<int>());
  // Without a poll the next refusal tells of the second before it.
  clock_.Advance(absl::Seconds(1));
  Refuse("RESOURCE_EXHAUSTED");
  EXPECT_EQ(Counts(), std::vector<int>({1}));
  clock_.Advance(absl::Seconds(1));
  refusals_->Poll();
  EXPECT_EQ(Counts(), std::vector<int>({1}));
}

TEST_F(RefusalLogTest, AFloodOfAnHourIsALineASecondAndLosesNoCall) {
  int64_t refused = 0;
  for (int second = 0; second < 3600; ++second) {
    for (int i = 0; i < 20; ++i) {
      Refuse("RESOURCE_EXHAUSTED");
      ++refused;
      clock_.Advance(absl::Milliseconds(50));
    }
  }
  refusals_.reset();
  int64_t told = 0;
  const std::vector<int> counts = Counts();
  for (const int count : counts) {
    told += count;
  }
  EXPECT_EQ(told, refused);
  EXPECT_LE(counts.size(), 3601U);
}

TEST_F(RefusalLogTest, TheFirstOfOtherRefusalsHaveLinesOfTheirOwn) {
  for (int i = 0; i < 25; ++i) {
    Refuse("UNAUTHENTICATED");
  }
  EXPECT_EQ(Counts(), std::vector<int>(kRefusalsASecond, 1));
  clock_.Advance(absl::Seconds(1));
  refusals_->Poll();
  EXPECT_EQ(Counts(), std::vector<int>({25 - kRefusalsASecond}));
  for (int i = 0; i < kRefusalsASecond; ++i) {
    Refuse("UNAUTHENTICATED");
  }
  EXPECT_EQ(Counts(), std::vector<int>(kRefusalsASecond - 1, 1));
}

TEST_F(RefusalLogTest, IdentitiesAndOutcomesAreCountedApart) {
  Refuse("RESOURCE_EXHAUSTED", "a");
  Refuse("RESOURCE_EXHAUSTED", "b");
  Refuse("PERMISSION_DENIED", "a");
  EXPECT_EQ(Counts(), std::vector<int>({1, 1, 1}));
}

TEST_F(RefusalLogTest, WhatIsCountedAtTheEndIsWritten) {
  for (int i = 0; i < 3; ++i) {
    Refuse("RESOURCE_EXHAUSTED");
  }
  refusals_.reset();
  EXPECT_EQ(Counts(), std::vector<int>({1, 2}));
}

}  // namespace
}  // namespace rwku::auth
