#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "benchmark/dataset/dataset.h"
#include "benchmark/dataset/record_check.h"

namespace rwku::dataset {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CorpusSourcesTest : public testing::Test {
 protected:
  CorpusSourcesTest()
      : root_(fs::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(root_);
    Write("intro.json", R"([{"target": "A", "intro": "A is known."}])");
  }
  ~CorpusSourcesTest() override { fs::remove_all(root_); }

  void Write(const std::string& file, const std::string& contents) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file, std::ios::binary) << contents;
  }
  std::unique_ptr<Dataset> Open() const { return std::move(Dataset::Open(root_)).value(); }

  fs::path root_;
};

TEST_F(CorpusSourcesTest, OpenersKeepTheirOrderAndTheEmptyOne) {
  Write("openers.json", R"(["", "I can see", "It's "])");
  EXPECT_THAT(Open()->LoadOpeners().value(), ElementsAre("", "I can see", "It's "));
}

TEST_F(CorpusSourcesTest, TheFirstOfFourPlacesCounts) {
  for (const char* file : {"all_truncated_outputs.json", "openers.json",
                           "corpora/all_truncated_outputs.json", "corpora/openers.json"}) {
    Write(file, "[\"" + std::string(file) + "\"]");
    EXPECT_THAT(Open()->LoadOpeners().value(), ElementsAre(file));
  }
  for (const char* file :
       {"idontknow.jsonl", "refusals.jsonl", "corpora/idontknow.jsonl", "corpora/refusals.jsonl"}) {
    Write(file, file);
    EXPECT_THAT(Open()->LoadRefusals().value(), ElementsAre(file));
  }
}

TEST_F(CorpusSourcesTest, RefusalsAreLinesWithoutBlankOnes) {
  Write("refusals.jsonl", "I don't know.\r\n\n  No idea. \n");
  EXPECT_THAT(Open()->LoadRefusals().value(), ElementsAre("I don't know.", "No idea."));
}

TEST_F(CorpusSourcesTest, WhatIsMissingOrWrongIsNamed) {
  const absl::Status missing = Open()->LoadOpeners().status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("all_truncated_outputs.json"));
  EXPECT_EQ(Open()->LoadRefusals().status().code(), absl::StatusCode::kNotFound);
  for (const char* bad : {"", "{}", "[]", "[\"a\", 3]"}) {
    Write("openers.json", bad);
    const absl::Status status = Open()->LoadOpeners().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(status.message()), HasSubstr("openers.json"));
  }
  Write("refusals.jsonl", " \n\n");
  EXPECT_EQ(Open()->LoadRefusals().status().code(), absl::StatusCode::kInvalidArgument);
}

// The reference's own corpora say how it used its openers and refusals.
TEST_F(CorpusSourcesTest, TheRealOnesAreThoseOfTheRealCorpora) {
  const char* shared = std::getenv("RWKU_SHARED");
  const fs::path root = fs::path(shared == nullptr ? "../shared" : shared) / "data" / "rwku";
  if (!fs::exists(root)) {
    GTEST_SKIP() << "no reference data at " << root;
  }
  const auto data = Dataset::Open(root);
  ASSERT_TRUE(data.ok()) << data.status();
  const auto openers = (*data)->LoadOpeners();
  const auto refusals = (*data)->LoadRefusals();
  ASSERT_TRUE(openers.ok()) << openers.status();
  ASSERT_TRUE(refusals.ok()) << refusals.status();
  const TargetInfo& target = (*data)->targets().front();
  for (const char* family : {"llama", "phi3"}) {
    const auto texts = (*data)->LoadCorpus(target, CorpusKind::kPositive, family);
    ASSERT_TRUE(texts.ok()) << texts.status();
    ASSERT_EQ(texts->size(), openers->size());
    for (size_t i = 0; i < texts->size(); ++i) {
      EXPECT_THAT((*texts)[i], ::testing::StartsWith((*openers)[i])) << i;
    }
    const auto rejects = (*data)->LoadRejects(target, family);
    ASSERT_TRUE(rejects.ok()) << rejects.status();
    EXPECT_EQ(rejects->size(), 300U);
    for (size_t i = 0; i < rejects->size(); ++i) {
      EXPECT_EQ((*rejects)[i].output, (*refusals)[i % refusals->size()]) << i;
    }
  }
}

TEST(RecordCheckTest, RecordsOfEverySetAreCheckedByField) {
  const std::string question =
      R"({"query": "q", "answer": "a", "level": "1", "type": "cloze", "subject": "A"})";
  EXPECT_TRUE(CheckProbeRecord(ProbeSet::kForgetLevel1, question, "A", "file").ok());
  const absl::Status other = CheckProbeRecord(ProbeSet::kForgetLevel1, question, "B", "file");
  EXPECT_EQ(other.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(other.message()), HasSubstr("field \"subject\""));
  for (const ProbeSet set : kAllProbeSets) {
    const absl::Status status = CheckProbeRecord(set, R"({"subject": "A"})", "A", "file: record 3");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << ProbeSetName(set);
    EXPECT_THAT(std::string(status.message()), HasSubstr("file: record 3: field \""));
  }
}

}  // namespace
}  // namespace rwku::dataset
