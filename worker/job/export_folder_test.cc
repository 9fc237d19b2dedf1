#include "worker/job/export_folder.h"

#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/file.h"

namespace rwku::job {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ExportFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    base_ = fs::path(::testing::TempDir()) / absl::StrCat("export_folder_test_", getpid());
    fs::remove_all(base_);
    root_ = base_ / "exports";
  }
  void TearDown() override { fs::remove_all(base_); }

  fs::path base_;
  fs::path root_;
};

TEST_F(ExportFolderTest, MakesTheParentAndLeavesTheFolderToTheEngine) {
  const auto folder = MakeRoomForExport(root_, "r1/3");
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_EQ(*folder, fs::canonical(root_) / "r1" / "3");
  EXPECT_TRUE(fs::is_directory(root_ / "r1"));
  EXPECT_FALSE(fs::exists(root_ / "r1" / "3"));
}

TEST_F(ExportFolderTest, AnEarlierAttemptsLeftOverIsReplaced) {
  fs::create_directories(root_ / "r1" / "3");
  fs::create_directories(root_ / "r1" / "4");
  ASSERT_TRUE(WriteFileAtomically(root_ / "r1" / "3" / "half.safetensors", "x").ok());
  ASSERT_TRUE(MakeRoomForExport(root_, "r1/3").ok());
  EXPECT_FALSE(fs::exists(root_ / "r1" / "3"));
  EXPECT_TRUE(fs::exists(root_ / "r1" / "4"));
}

TEST_F(ExportFolderTest, WithoutARootTheFlagIsNamed) {
  const auto folder = MakeRoomForExport("", "r1/3");
  EXPECT_EQ(folder.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(folder.status().message()), HasSubstr("--export-root"));
}

TEST_F(ExportFolderTest, NothingOutsideIsTouched) {
  fs::create_directories(base_ / "outside" / "3");
  fs::create_directories(root_);
  fs::create_directory_symlink(base_ / "outside", root_ / "link");
  for (const char* name : {"../outside/3", "link/3", "/tmp/3", "", ".", "link", "r1/"}) {
    EXPECT_EQ(MakeRoomForExport(root_, name).status().code(), absl::StatusCode::kInvalidArgument)
        << name;
  }
  EXPECT_TRUE(fs::exists(base_ / "outside" / "3"));
}

}  // namespace
}  // namespace rwku::job
