#include "benchmark/dataset/dataset.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rwku::dataset {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kHarry[] = "Prince Harry, Duke of Sussex";

std::string ProbeJson(const std::string& subject, const std::string& query) {
  return absl::StrCat(R"({"subject": ")", subject, R"(", "query": ")", query,
                      R"(", "answer": "a", "type": "cloze", "level": "1"})");
}

std::string IntroJson(const std::string& name) {
  return absl::StrCat(R"({"target": ")", name, R"(", "intro": "Please forget )", name, ". ", name,
                      R"( is known."})");
}

class DatasetTest : public testing::Test {
 protected:
  DatasetTest()
      : root_(fs::path(testing::TempDir()) /
              absl::StrCat("dataset_", getpid(), "_",
                           testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~DatasetTest() override { fs::remove_all(root_); }

  void Write(const std::string& file, const std::string& contents) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file, std::ios::binary) << contents;
  }

  // Two targets as the Hub has them, in `folder`.
  void WriteHub(const std::string& folder) const {
    Write(folder + "intro.json",
          absl::StrCat("[", IntroJson("Beyonc\\u00e9"), ",", IntroJson(kHarry), "]"));
    Write(folder + "forget_level1.json",
          absl::StrCat("[", ProbeJson("Beyonc\\u00e9", "b0"), ",", ProbeJson(kHarry, "h0"), ",",
                       ProbeJson("Beyoncé", "b1"), "]"));
    Write(folder + "positive.json", R"([{"subject": "Beyoncé", "text": "one", "id": "0"}])");
  }

  void WriteProcessed() const {
    for (const auto& [number, name] :
         std::vector<std::pair<int, std::string>>{{10, kHarry}, {2, "Beyoncé"}, {3, "R. Kelly"}}) {
      std::string folder = absl::StrCat("Target/", number, "_", name, "/");
      std::replace(folder.begin(), folder.end(), ' ', '_');
      Write(folder + "intro.json", absl::StrCat("[", IntroJson(name), "]"));
      Write(folder + "forget_level1.json", absl::StrCat("[", ProbeJson(name, "q"), "]"));
    }
    Write("Batch/1-10/forget_level1.json",
          absl::StrCat("[", ProbeJson("Beyoncé", "x"), ",", ProbeJson(kHarry, "y"), "]"));
  }

  std::unique_ptr<Dataset> Open() const {
    auto dataset = Dataset::Open(root_);
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    return dataset.ok() ? *std::move(dataset) : nullptr;
  }

  fs::path root_;
};

TEST_F(DatasetTest, TheHubLayoutNumbersTargetsInTheOrderOfTheIntros) {
  WriteHub("All/");
  const auto dataset = Open();
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(dataset->layout(), Layout::kHub);
  ASSERT_THAT(dataset->targets(), SizeIs(2));
  const TargetInfo& beyonce = dataset->targets()[0];
  EXPECT_EQ(beyonce.number, 1);
  EXPECT_EQ(beyonce.name, "Beyoncé");
  EXPECT_EQ(beyonce.intro, "Beyoncé is known.");
  EXPECT_THAT(beyonce.corpora, ElementsAre("positive"));
  EXPECT_THAT(beyonce.probe_sets, ElementsAre(ProbeSet::kForgetLevel1));
}

TEST_F(DatasetTest, TheHubLayoutMayLieInTheFolderItself) {
  WriteHub("");
  EXPECT_THAT(Open()->targets(), SizeIs(2));
}

TEST_F(DatasetTest, AFileOverAllTargetsYieldsTheRecordsOfOne) {
  WriteHub("All/");
  const auto dataset = Open();
  const auto probes = dataset->LoadProbes(dataset->targets()[0], ProbeSet::kForgetLevel1);
  ASSERT_TRUE(probes.ok()) << probes.status();
  ASSERT_THAT(*probes, SizeIs(2));
  EXPECT_EQ((*probes)[0].query, "b0");
  EXPECT_EQ((*probes)[1].query, "b1");
  EXPECT_EQ((*dataset->LoadProbes(dataset->targets()[1], ProbeSet::kForgetLevel1))[0].query, "h0");
}

TEST_F(DatasetTest, ATargetWithoutRecordsIsAnErrorAndNotAnEmptyList) {
  WriteHub("All/");
  const auto dataset = Open();
  const auto texts = dataset->LoadCorpus(dataset->targets()[1], CorpusKind::kPositive, "llama");
  EXPECT_EQ(texts.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(texts.status().message()), HasSubstr("All/positive.json"));
}

TEST_F(DatasetTest, ProcessedWinsWhereBothLayoutsAre) {
  WriteHub("All/");
  WriteProcessed();
  EXPECT_EQ(Open()->layout(), Layout::kProcessed);
}

TEST_F(DatasetTest, TheProcessedLayoutTakesNumbersFromFolders) {
  WriteProcessed();
  fs::create_directories(root_ / "Target" / "notes");
  const auto dataset = Open();
  ASSERT_NE(dataset, nullptr);
  std::vector<int> numbers;
  for (const TargetInfo& target : dataset->targets()) {
    numbers.push_back(target.number);
    EXPECT_TRUE(dataset->LoadProbes(target, ProbeSet::kForgetLevel1).ok()) << target.name;
  }
  EXPECT_THAT(numbers, ElementsAre(2, 3, 10));
}

TEST_F(DatasetTest, ABatchHoldsTheRecordsOfSeveralTargets) {
  WriteProcessed();
  const auto dataset = Open();
  ASSERT_THAT(dataset->batches(), SizeIs(1));
  EXPECT_EQ(dataset->batches()[0].name, "1-10");
  EXPECT_THAT(*dataset->LoadProbes(dataset->batches()[0], ProbeSet::kForgetLevel1), SizeIs(2));
}

TEST_F(DatasetTest, AMissingFileIsNamed) {
  WriteProcessed();
  const auto dataset = Open();
  const auto texts = dataset->LoadCorpus(dataset->targets()[1], CorpusKind::kPositive, "phi3");
  EXPECT_EQ(texts.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(texts.status().message()),
              HasSubstr("Target/3_R._Kelly/positive_phi.json"));
}

TEST_F(DatasetTest, ARecordOfSomeoneElseIsRefused) {
  WriteProcessed();
  Write("Target/3_R._Kelly/forget_level1.json", absl::StrCat("[", ProbeJson(kHarry, "q"), "]"));
  const auto dataset = Open();
  const auto probes = dataset->LoadProbes(dataset->targets()[1], ProbeSet::kForgetLevel1);
  EXPECT_THAT(std::string(probes.status().message()),
              HasSubstr("record 0: field \"subject\": found \"Prince Harry, Duke of Sussex\""));
}

TEST_F(DatasetTest, ALinkOutOfTheDatasetIsRefused) {
  WriteProcessed();
  const fs::path outside =
      fs::path(testing::TempDir()) / absl::StrCat("outside_", getpid(), ".json");
  std::ofstream(outside) << "[" << ProbeJson("R. Kelly", "q") << "]";
  fs::create_symlink(outside, root_ / "Target/3_R._Kelly/forget_level2.json");
  const auto dataset = Open();
  const auto probes = dataset->LoadProbes(dataset->targets()[1], ProbeSet::kForgetLevel2);
  EXPECT_EQ(probes.status().code(), absl::StatusCode::kInvalidArgument);
  fs::remove(outside);
}

TEST_F(DatasetTest, TwoFoldersOfOneNumberAreRefused) {
  WriteProcessed();
  Write("Target/2_Other/intro.json", absl::StrCat("[", IntroJson("Other"), "]"));
  EXPECT_EQ(Dataset::Open(root_).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(DatasetTest, AFolderWithoutAnyLayoutSaysWhatWasLookedFor) {
  EXPECT_THAT(std::string(Dataset::Open(root_).status().message()),
              HasSubstr("found neither Target/<number>_<Name>/ nor All/intro.json"));
  EXPECT_EQ(Dataset::Open(root_ / "nothing").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(DatasetTest, SelectorsNameTargetsByNameNumberAndRange) {
  WriteProcessed();
  const auto dataset = Open();
  const auto numbers = [&](const std::vector<std::string>& selectors) {
    std::vector<int> found;
    const auto selected = dataset->Select(selectors);
    EXPECT_TRUE(selected.ok()) << selected.status();
    for (const TargetInfo* target : *selected) {
      found.push_back(target->number);
    }
    return found;
  };
  EXPECT_THAT(numbers({}), ElementsAre(2, 3, 10));
  EXPECT_THAT(numbers({"10", "Beyoncé", "2"}), ElementsAre(2, 10));
  EXPECT_THAT(numbers({"2-3", kHarry}), ElementsAre(2, 3, 10));
  EXPECT_EQ(dataset->Select({"3-2"}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(dataset->Select({"2-10"}).status().message()),
              HasSubstr("unknown target number 4; the dataset holds 3 targets"));
  EXPECT_THAT(std::string(dataset->Select({"R. Kelley"}).status().message()),
              HasSubstr("did you mean \"R. Kelly\""));
  EXPECT_FALSE(dataset->Select({"99999999999999999999"}).ok());
  EXPECT_FALSE(dataset->Select({""}).ok());
}

// Whatever is cut off or changed, the answer is an error or probes, never a crash.
TEST_F(DatasetTest, AFileCutAtAnyByteIsRefused) {
  WriteHub("All/");
  std::string whole = absl::StrCat("[", ProbeJson("Beyonc\\u00e9", "b\\\"0"), "]");
  for (size_t length = 0; length < whole.size(); ++length) {
    Write("All/forget_level1.json", whole.substr(0, length));
    const auto dataset = Open();
    EXPECT_FALSE(dataset->LoadProbes(dataset->targets()[0], ProbeSet::kForgetLevel1).ok())
        << whole.substr(0, length);
  }
}

TEST_F(DatasetTest, AFileWithAnyByteChangedNeverCrashes) {
  WriteProcessed();
  const std::string file = "Target/3_R._Kelly/forget_level1.json";
  const std::string whole = absl::StrCat("[", ProbeJson("R. Kelly", "q"), "]");
  const auto dataset = Open();
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const char c : {'"', '\\', '{', ']', ',', '\0', '\xFF', '7'}) {
      std::string changed = whole;
      changed[i] = c;
      Write(file, changed);
      const auto probes = dataset->LoadProbes(dataset->targets()[1], ProbeSet::kForgetLevel1);
      EXPECT_TRUE(!probes.ok() || probes->size() == 1) << changed;
    }
  }
}

TEST(SharedDatasetTest, TargetOneLoadsWhole) {
  const char* shared = std::getenv("RWKU_SHARED");
  const fs::path path = fs::path(shared == nullptr ? "" : shared) / "data" / "rwku";
  if (!fs::exists(path)) {
    GTEST_SKIP() << "no reference data at " << path;
  }
  const auto opened = Dataset::Open(path);
  ASSERT_TRUE(opened.ok()) << opened.status();
  const Dataset& dataset = **opened;
  const auto found = dataset.FindTarget("1");
  ASSERT_TRUE(found.ok()) << found.status();
  const TargetInfo& king = **found;
  EXPECT_EQ(king.name, "Stephen King");
  EXPECT_EQ(king.intro.find("Stephen King is a prolific"), 0U) << king.intro;
  EXPECT_THAT(king.corpora, SizeIs(9));
  EXPECT_THAT(king.probe_sets, SizeIs(12));

  const auto size = [](const auto& loaded) {
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return loaded.ok() ? loaded->size() : 0;
  };
  EXPECT_EQ(size(dataset.LoadProbes(king, ProbeSet::kForgetLevel1)), 8U);
  EXPECT_EQ(size(dataset.LoadProbes(king, ProbeSet::kForgetLevel2)), 10U);
  EXPECT_EQ(size(dataset.LoadProbes(king, ProbeSet::kForgetLevel3)), 29U);
  EXPECT_EQ(size(dataset.LoadProbes(king, ProbeSet::kNeighborLevel1)), 30U);
  EXPECT_EQ(size(dataset.LoadProbes(king, ProbeSet::kNeighborLevel2)), 30U);
  EXPECT_EQ(size(dataset.LoadMiaTexts(king, ProbeSet::kForgetMia)), 55U);
  EXPECT_EQ(size(dataset.LoadMiaTexts(king, ProbeSet::kRetainMia)), 37U);
  for (const char* family : {"llama", "phi3"}) {
    EXPECT_EQ(size(dataset.LoadCorpus(king, CorpusKind::kPassage, family)), 128U);
    EXPECT_EQ(size(dataset.LoadCorpus(king, CorpusKind::kPositive, family)), 582U);
    EXPECT_EQ(size(dataset.LoadCorpus(king, CorpusKind::kNegative, family)), 582U);
    EXPECT_EQ(size(dataset.LoadPairs(king, family)), 582U);
    EXPECT_EQ(size(dataset.LoadRejects(king, family)), 300U);
  }
  EXPECT_EQ(size(dataset.LoadMmlu(king)), 171U);
  EXPECT_EQ(size(dataset.LoadBbh(king)), 81U);
  EXPECT_EQ(size(dataset.LoadTruthful(king)), 50U);
  EXPECT_EQ(size(dataset.LoadTrivia(king)), 100U);
  EXPECT_EQ(size(dataset.LoadFluency(king)), 50U);
}

}  // namespace
}  // namespace rwku::dataset
