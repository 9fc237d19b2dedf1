#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "benchmark/dataset/dataset.h"

namespace rwku::dataset {
namespace {

namespace fs = std::filesystem;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class PrimerTest : public testing::Test {
 protected:
  PrimerTest()
      : root_(fs::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(root_);
    Write("intro.json", R"([{"target": "A", "intro": "A is known."}])");
  }
  ~PrimerTest() override { fs::remove_all(root_); }

  void Write(const std::string& file, const std::string& contents) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file, std::ios::binary) << contents;
  }

  absl::StatusOr<std::string> Load(ProbeSet set) const {
    auto dataset = Dataset::Open(root_);
    return dataset.ok() ? (*dataset)->LoadPrimer(set) : dataset.status();
  }

  fs::path root_;
};

TEST_F(PrimerTest, APrimerKeepsEveryByte) {
  Write("primers/triviaqa.txt", "\nQ: a\r\nA: b\n \n");
  EXPECT_EQ(Load(ProbeSet::kTriviaQa).value(), "\nQ: a\r\nA: b\n \n");
}

TEST_F(PrimerTest, TheFirstOfThreePlacesCounts) {
  for (const char* file :
       {"primer_truthfulqa.txt", "primers/primer_truthfulqa.txt", "primers/truthfulqa.txt"}) {
    Write(file, file);
    EXPECT_EQ(Load(ProbeSet::kTruthfulQa).value(), file);
  }
}

TEST_F(PrimerTest, AMissingPrimerNamesTheFilesLookedFor) {
  Write("primers/truthfulqa.txt", "of the other set");
  const absl::Status status = Load(ProbeSet::kTriviaQa).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("primers/triviaqa.txt, primers/primer_triviaqa.txt, primer_triviaqa.txt"));
}

TEST_F(PrimerTest, OtherSetsHaveNoPrimer) {
  EXPECT_EQ(Load(ProbeSet::kMmlu).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PrimerTest, APrimerOutsideTheDatasetIsRefused) {
  const fs::path outside = root_.string() + ".txt";
  std::ofstream(outside) << "secret";
  fs::create_symlink(outside, root_ / "primer_triviaqa.txt");
  EXPECT_EQ(Load(ProbeSet::kTriviaQa).status().code(), absl::StatusCode::kInvalidArgument);
  fs::remove(outside);
}

TEST_F(PrimerTest, ThePublishedPrimersEndWhereTheReferenceGoesOn) {
  const char* shared = std::getenv("RWKU_SHARED");
  const fs::path path = fs::path(shared == nullptr ? "" : shared) / "data" / "rwku";
  if (!fs::exists(path)) {
    GTEST_SKIP() << "no reference data at " << path;
  }
  const auto dataset = Dataset::Open(path);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const std::string truthful = (*dataset)->LoadPrimer(ProbeSet::kTruthfulQa).value();
  EXPECT_THAT(truthful, StartsWith("Q: What is human life expectancy"));
  EXPECT_THAT(truthful, EndsWith("A: The 1992 Olympics were held in Barcelona, Spain."));
  const std::string trivia = (*dataset)->LoadPrimer(ProbeSet::kTriviaQa).value();
  EXPECT_THAT(trivia, StartsWith("\nQ: When did men's figure skating"));
  EXPECT_THAT(trivia, EndsWith("\nPlease briefly answer the following question:\n"));
}

}  // namespace
}  // namespace rwku::dataset
