#include "server/service/target_groups.h"

#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/text_format.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace rwku::service {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(GroupNameTest, IsMadeOfTheNumbers) {
  EXPECT_EQ(GroupName({1, 2, 3, 4}), "1-4");
  EXPECT_EQ(GroupName({7}), "7");
  EXPECT_EQ(GroupName({1, 2, 3, 7, 9, 10}), "1-3,7,9-10");
  std::vector<int> odd;
  for (int i = 1; i < 100; i += 2) {
    odd.push_back(i);
  }
  EXPECT_EQ(GroupName(odd), "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31 and 34 more");
}

TEST(TargetsOfTest, AJobOfAnOlderServerHasItsOneTarget) {
  v1::JobSpec job;
  job.set_target("Ada Stone");
  job.set_target_number(4);
  const std::vector<v1::JobTarget> targets = TargetsOf(job);
  ASSERT_EQ(targets.size(), 1U);
  EXPECT_EQ(targets[0].name(), "Ada Stone");
  EXPECT_EQ(targets[0].number(), 4);
  EXPECT_FALSE(IsGroup(job));
}

class ChooseTargetsTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) /
            absl::StrCat("target_groups_", getpid(), "_",
                         testing::UnitTest::GetInstance()->current_test_info()->name());
    for (int i = 1; i <= 4; ++i) {
      const fs::path folder = root_ / "Target" / absl::StrCat(i, "_T", i);
      fs::create_directories(folder);
      ASSERT_TRUE(WriteFileAtomically(
                      folder / "intro.json",
                      absl::StrCat(R"([{"subject": "T)", i, R"(", "intro": "T)", i, R"( is."}])"))
                      .ok());
    }
    data_ = *dataset::Dataset::Open(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  // "name:targets" of each job.
  std::vector<std::string> Choose(const std::string& spec) {
    spec_.Clear();
    errors_.clear();
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(spec, &spec_));
    std::vector<std::string> jobs;
    for (const JobTargets& job :
         ChooseTargets(*data_, &spec_, [this](std::string field, const std::string&what) {
           errors_.push_back(absl::StrCat(field, ": ", what));
         })) {
      std::string text = absl::StrCat(job.name, ":");
      for (const dataset::TargetInfo* target : job.targets) {
        absl::StrAppend(&text, " ", target->number);
      }
      jobs.push_back(std::move(text));
    }
    return jobs;
  }

  fs::path root_;
  std::unique_ptr<dataset::Dataset> data_;
  v1::RunSpec spec_;
  std::vector<std::string> errors_;
};

TEST_F(ChooseTargetsTest, WithoutAModeEachTargetIsAJob) {
  EXPECT_THAT(Choose(R"(targets: "3" targets: "1")"), ElementsAre("T1: 1", "T3: 3"));
  EXPECT_EQ(spec_.target_mode(), v1::TARGET_MODE_SINGLE);
  EXPECT_THAT(spec_.targets(), ElementsAre("T1", "T3"));
  EXPECT_EQ(spec_.groups().size(), 0);
}

TEST_F(ChooseTargetsTest, GroupsAreJobsAndMayOverlap) {
  EXPECT_THAT(Choose(R"(target_mode: TARGET_MODE_BATCH groups { targets: "1-2" }
                        groups { targets: "T4" targets: "2-3" }
                        groups { name: "ends" targets: "4" targets: "1" })"),
              ElementsAre("1-2: 1 2", "2-4: 2 3 4", "ends: 1 4"));
  EXPECT_THAT(spec_.targets(), ElementsAre("T1", "T2", "T3", "T4"));
  ASSERT_EQ(spec_.groups().size(), 3);
  EXPECT_EQ(spec_.groups(1).name(), "2-4");
  EXPECT_THAT(spec_.groups(2).targets(), ElementsAre("T1", "T4"));
}

TEST_F(ChooseTargetsTest, WithoutGroupsTheTargetsAreOne) {
  EXPECT_THAT(Choose("target_mode: TARGET_MODE_SEQUENTIAL"), ElementsAre("1-4: 1 2 3 4"));
  EXPECT_THAT(Choose(R"(target_mode: TARGET_MODE_SEQUENTIAL targets: "2-3")"),
              ElementsAre("2-3: 2 3"));
}

TEST_F(ChooseTargetsTest, AnAnsweredSpecCanBeAskedAgain) {
  const auto first = Choose(R"(target_mode: TARGET_MODE_BATCH groups { targets: "1-2" })");
  EXPECT_THAT(Choose(spec_.DebugString()), first);
  EXPECT_THAT(errors_, IsEmpty());
}

struct BadCase {
  const char* spec;
  const char* error;
};

TEST_F(ChooseTargetsTest, ProblemsAreNamedByTheirField) {
  for (const BadCase& bad : {
           BadCase{R"(groups { targets: "1" })", "spec.groups: found 1 groups"},
           BadCase{"target_mode: TARGET_MODE_BATCH groups { }",
                   "spec.groups[0].targets: found none"},
           BadCase{R"(target_mode: TARGET_MODE_BATCH groups { targets: "1" targets: "9" })",
                   "spec.groups[0].targets[1]: "},
           BadCase{R"(target_mode: TARGET_MODE_BATCH groups { targets: "1-9" })",
                   "spec.groups[0].targets[0]: "},
           BadCase{R"(target_mode: TARGET_MODE_BATCH groups { targets: "1" }
                      groups { targets: "T1" })",
                   "spec.groups[1].name: \"1\" is the name of groups[0]"},
           BadCase{R"(target_mode: TARGET_MODE_BATCH targets: "4" groups { targets: "1" })",
                   "spec.targets: are not the targets of spec.groups"},
           BadCase{R"(target_mode: TARGET_MODE_BATCH targets: "nobody")", "spec.targets[0]: "},
       }) {
    EXPECT_THAT(Choose(bad.spec), IsEmpty()) << bad.spec;
    ASSERT_EQ(errors_.size(), 1U) << bad.spec;
    EXPECT_THAT(errors_[0], HasSubstr(bad.error));
  }
}

}  // namespace
}  // namespace rwku::service
