#include "benchmark/corpus/records.h"

#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "benchmark/dataset/dataset.h"

namespace rwku::corpus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Subject& Ann() {
  static const Subject& subject = *new Subject{"Ann Éxample", "Ann Éxample is a painter."};
  return subject;
}

std::vector<Text> Texts(int openers, int questions) {
  std::vector<Text> texts;
  for (int i = 0; i < openers; ++i) {
    texts.push_back({Ann().name, TextSet::kNegative, i, "I", absl::StrCat("I made ", i), ""});
    texts.push_back({Ann().name, TextSet::kPositive, i, "I", absl::StrCat("I know ", i), ""});
  }
  for (int i = 0; i < questions; ++i) {
    texts.push_back(
        {Ann().name, TextSet::kQuestion, i, "", absl::StrCat("Who ", i, "?"), "No idea."});
  }
  return texts;
}

TEST(CorpusRecordsTest, RecordsHaveTheBenchmarksFields) {
  const auto files = MakeRecordFiles(Ann(), kWrittenKinds, "llama", Texts(2, 1));
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_EQ(files->size(), 4U);
  const auto record = [&](int file, int index) {
    return nlohmann::json::parse((*files)[file].contents)[index];
  };
  EXPECT_EQ(record(0, 1), nlohmann::json({{"id", "Ann Éxample 1"},
                                          {"text", "I know 1"},
                                          {"subject", "Ann Éxample"},
                                          {"intro", "Ann Éxample is a painter."}}));
  EXPECT_EQ(record(1, 0)["text"], "I made 0");
  EXPECT_EQ(record(2, 1),
            nlohmann::json({{"id", "Ann Éxample 1"},
                            {"prompt",
                             "Ann Éxample is a painter. Please write a short biography of Ann "
                             "Éxample."},
                            {"response", {"I made 1", "I know 1"}},
                            {"subject", "Ann Éxample"},
                            {"intro", "Ann Éxample is a painter."}}));
  EXPECT_EQ(record(3, 0), nlohmann::json({{"input", ""},
                                          {"output", "No idea."},
                                          {"subject", "Ann Éxample"},
                                          {"instruction", "Who 0?"},
                                          {"intro", "Ann Éxample is a painter."}}));
  EXPECT_EQ((*files)[0].records, 2);
  EXPECT_THAT((*files)[0].contents, HasSubstr("Éxample"));
}

TEST(CorpusRecordsTest, PhiHasFilesOfItsOwn) {
  const auto names = [](absl::string_view family) {
    std::vector<std::string> names;
    const auto files = MakeRecordFiles(Ann(), kWrittenKinds, family, Texts(1, 1));
    for (const RecordFile& file : files.value()) {
      names.push_back(file.name);
    }
    return names;
  };
  EXPECT_THAT(names("llama"),
              ElementsAre("positive.json", "negative.json", "pair.json", "reject.json"));
  EXPECT_THAT(names("phi3"), ElementsAre("positive_phi.json", "negative_phi.json", "pair_phi.json",
                                         "reject_phi.json"));
}

TEST(CorpusRecordsTest, BlankTextsAreLeftOutAndCounted) {
  std::vector<Text> texts = Texts(3, 2);
  texts[0].output = " \n";  // of the counterfactual side
  texts.back().output = "";
  const auto files = MakeRecordFiles(Ann(), kWrittenKinds, "llama", texts);
  ASSERT_TRUE(files.ok()) << files.status();
  std::vector<int> left_out;
  for (const RecordFile& file : *files) {
    left_out.push_back(file.left_out);
  }
  EXPECT_THAT(left_out, ElementsAre(0, 1, 1, 1));
  // Ids stay those of the openers.
  EXPECT_EQ(nlohmann::json::parse((*files)[1].contents)[0]["id"], "Ann Éxample 1");
}

TEST(CorpusRecordsTest, LostTextsAreNoticed) {
  std::vector<Text> texts = Texts(3, 2);
  texts.erase(texts.begin());
  EXPECT_EQ(MakeRecordFiles(Ann(), kWrittenKinds, "llama", texts).status().code(),
            absl::StatusCode::kInternal);
  EXPECT_FALSE(MakeRecordFiles(Ann(), kWrittenKinds, "llama", Texts(2, 0)).ok());
  EXPECT_TRUE(MakeRecordFiles(Ann(), {CorpusKind::kPair}, "llama", Texts(2, 0)).ok());
  EXPECT_FALSE(MakeRecordFiles({"Bob", "Bob is."}, kWrittenKinds, "llama", Texts(2, 1)).ok());
}

TEST(CorpusRecordsTest, FilesLoadAsADataset) {
  const std::filesystem::path root =
      std::filesystem::path(testing::TempDir()) / absl::StrCat("corpus_records_test.", getpid());
  EXPECT_EQ(TargetFolder(10, "Prince Harry, Duke of Sussex"),
            "Target/10_Prince_Harry,_Duke_of_Sussex");
  const std::filesystem::path folder = root / TargetFolder(3, Ann().name);
  std::filesystem::create_directories(folder);
  std::vector<RecordFile> files = *MakeRecordFiles(Ann(), kWrittenKinds, "llama", Texts(2, 2));
  files.push_back(IntroFile(Ann()));
  for (const RecordFile& file : files) {
    ASSERT_TRUE(WriteFileAtomically(folder / file.name, file.contents).ok());
  }
  const auto data = dataset::Dataset::Open(root);
  ASSERT_TRUE(data.ok()) << data.status();
  const auto target = (*data)->FindTarget("Ann Éxample");
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ((*target)->number, 3);
  EXPECT_EQ((*target)->intro, Ann().intro);
  const auto positive = (*data)->LoadCorpus(**target, CorpusKind::kPositive, "llama");
  ASSERT_TRUE(positive.ok()) << positive.status();
  EXPECT_THAT(*positive, ElementsAre("I know 0", "I know 1"));
  const auto pairs = (*data)->LoadPairs(**target, "llama");
  ASSERT_TRUE(pairs.ok()) << pairs.status();
  EXPECT_EQ(pairs->front().chosen, "I made 0");
  EXPECT_EQ(pairs->front().rejected, "I know 0");
  EXPECT_EQ((*data)->LoadRejects(**target, "llama").value().size(), 2U);
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace rwku::corpus
