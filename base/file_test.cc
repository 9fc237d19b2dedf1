#include "base/file.h"

#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

namespace rwku {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) / ("file_test." + std::to_string(getpid()));
    fs::create_directories(root_ / "inside" / "1_Beyoncé, Jr.");
    fs::create_directory_symlink("/etc", root_ / "inside" / "way_out");
  }
  void TearDown() override { fs::remove_all(root_); }
  fs::path root_;
};

TEST_F(FileTest, ReadsBackWhatItWrote) {
  const fs::path path = root_ / "f";
  ASSERT_TRUE(WriteFileAtomically(path, std::string("a\0b", 3)).ok());
  ASSERT_TRUE(WriteFileAtomically(path, "second").ok());
  EXPECT_EQ(ReadFile(path).value(), "second");
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), fs::directory_iterator()),
            2);  // no temporary is left
}

TEST_F(FileTest, PiecesBecomeTheFileAtTheCommit) {
  const fs::path path = root_ / "f";
  ASSERT_TRUE(WriteFileAtomically(path, "old").ok());
  {
    auto writer = AtomicFileWriter::Create(path);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE(writer->Append("one, ").ok());
    ASSERT_TRUE(writer->Append("two").ok());
    EXPECT_EQ(*ReadFile(path), "old");
    ASSERT_TRUE(writer->Commit().ok());
  }
  EXPECT_EQ(*ReadFile(path), "one, two");
  {
    auto writer = AtomicFileWriter::Create(path);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE(writer->Append("never committed").ok());
  }
  EXPECT_EQ(*ReadFile(path), "one, two");
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), fs::directory_iterator()),
            2);  // no temporary is left
}

TEST_F(FileTest, RenamedFolderIsAtItsNewPlaceWithWhatItHolds) {
  fs::create_directory(root_ / "from");
  ASSERT_TRUE(WriteFileAtomically(root_ / "from/x", "a").ok());
  ASSERT_TRUE(RenameDurably(root_ / "from", root_ / "to").ok());
  EXPECT_EQ(*ReadFile(root_ / "to/x"), "a");
  EXPECT_FALSE(fs::exists(root_ / "from"));
  const absl::Status status = RenameDurably(root_ / "from", root_ / "again");
  EXPECT_NE(status.message().find("from"), std::string::npos);
  EXPECT_NE(status.message().find("again"), std::string::npos);
}

TEST_F(FileTest, MissingFileIsNotFoundAndNamesThePath) {
  const absl::Status status = ReadFile(root_ / "absent").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(status.message().find("absent"), std::string::npos);
}

TEST_F(FileTest, FolderIsRefused) {
  EXPECT_EQ(ReadFile(root_).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(FileTest, UnwritableFolderIsAnErrorThatNamesIt) {
  const absl::Status status = WriteFileAtomically(root_ / "no_such" / "x", "a");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(status.message().find("no_such"), std::string::npos);
}

TEST_F(FileTest, ResolvesNamesWithCommasDotsAndLetters) {
  EXPECT_EQ(ResolveBelow(root_ / "inside", "1_Beyoncé, Jr.", "target").value(),
            fs::canonical(root_ / "inside" / "1_Beyoncé, Jr."));
}

struct RefusedName {
  const char* name;
  std::string value;
};

class RefusedNameTest : public FileTest, public testing::WithParamInterface<RefusedName> {};

TEST_P(RefusedNameTest, IsRefused) {
  EXPECT_EQ(ResolveBelow(root_ / "inside", GetParam().value, "model").status().code(),
            absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedNameTest,
    testing::Values(RefusedName{"Empty", ""}, RefusedName{"Parent", ".."},
                    RefusedName{"ParentInside", "a/../../b"}, RefusedName{"Absolute", "/etc"},
                    RefusedName{"Link", "way_out"}, RefusedName{"BelowLink", "way_out/passwd"},
                    RefusedName{"Nul", std::string("a\0b", 3)}, RefusedName{"Newline", "a\nb"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(FileTest, AbsentNameIsNotFound) {
  EXPECT_EQ(ResolveBelow(root_ / "inside", "nobody", "model").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rwku
