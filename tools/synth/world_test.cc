#include "tools/synth/world.h"

#include <unistd.h>

#include <filesystem>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tools/synth/biography.h"
#include "tools/synth/dataset_writer.h"
#include "tools/synth/probes.h"

namespace rwku::synth {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

std::map<std::string, std::string> FilesBelow(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) {
      files[fs::relative(entry.path(), folder)] = ReadFile(entry.path()).value();
    }
  }
  return files;
}

class WorldTest : public testing::Test {
 protected:
  WorldTest()
      : folder_(fs::path(testing::TempDir()) / ("world_test." + std::to_string(getpid()))) {}
  ~WorldTest() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(WorldTest, NamesAndUniqueFactsAreUniqueFor200Targets) {
  const World world = MakeWorld(7, 200).value();
  std::set<std::string> names;
  std::set<std::string> works;
  for (const Person& person : world.targets) {
    EXPECT_TRUE(names.insert(person.name).second) << person.name;
    EXPECT_TRUE(works.insert(person.fact(Attribute::kWork)).second)
        << person.fact(Attribute::kWork);
    for (const std::string& fact : person.facts) {
      EXPECT_FALSE(fact.empty());
    }
  }
  for (const Person& person : world.neighbors) {
    EXPECT_TRUE(names.insert(person.name).second) << person.name;
    EXPECT_TRUE(works.insert(person.fact(Attribute::kWork)).second);
  }
}

TEST_F(WorldTest, RefusesNumbersOfTargetsOutsideTheRange) {
  EXPECT_THAT(std::string(MakeWorld(7, 0).status().message()), HasSubstr("allowed: 1 to 200"));
  EXPECT_FALSE(MakeWorld(7, 201).ok());
}

TEST_F(WorldTest, TrainingTextNeverShowsAHeldOutPhrasing) {
  const World world = MakeWorld(7, 4).value();
  Random random(1);
  for (const Person& person : world.targets) {
    for (int a = 0; a < kAttributeCount; ++a) {
      const auto attribute = static_cast<Attribute>(a);
      const std::string probe = Cloze(person, attribute, Phrasing::kHeldOut, random).query;
      for (int i = 0; i < 40; ++i) {
        EXPECT_NE(Cloze(person, attribute, Phrasing::kTraining, random).query, probe);
      }
    }
  }
}

TEST_F(WorldTest, EqualSeedsGiveEqualBytes) {
  const World world = MakeWorld(7, 3).value();
  ASSERT_TRUE(WriteDataset(world, 7, {}, folder_ / "a").ok());
  ASSERT_TRUE(WriteDataset(MakeWorld(7, 3).value(), 7, {}, folder_ / "b").ok());
  EXPECT_EQ(FilesBelow(folder_ / "a"), FilesBelow(folder_ / "b"));
  ASSERT_TRUE(WriteDataset(MakeWorld(8, 3).value(), 8, {}, folder_ / "c").ok());
  EXPECT_NE(FilesBelow(folder_ / "a"), FilesBelow(folder_ / "c"));
}

TEST_F(WorldTest, RefusesAFolderThatHoldsSomething) {
  fs::create_directories(folder_ / "full" / "x");
  const World world = MakeWorld(7, 1).value();
  EXPECT_EQ(WriteDataset(world, 7, {}, folder_ / "full").code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(WorldTest, LevelThreeHasEveryType) {
  const World world = MakeWorld(7, 2).value();
  Random random(1);
  std::map<std::string, int> counts;
  for (const Question& probe : AdversarialProbes(world.targets[0], world, random)) {
    ++counts[probe.type];
  }
  EXPECT_EQ(counts.size(), 9u);
  EXPECT_EQ(counts["reverse query"], 2);
  EXPECT_EQ(counts["cross lingual"], 3);
}

TEST_F(WorldTest, CounterfactualBiographyTellsOtherFacts) {
  const World world = MakeWorld(7, 2).value();
  Random random(1);
  const Person& person = world.targets[0];
  const std::string text =
      Biography(person, world, {.statements = kAttributeCount, .counterfactual = true}, random);
  EXPECT_THAT(text, Not(HasSubstr(person.fact(Attribute::kWork))));
  EXPECT_THAT(text, HasSubstr(person.name));
}

}  // namespace
}  // namespace rwku::synth
