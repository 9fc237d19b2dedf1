#include "tools/synth/utility.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "benchmark/dataset/dataset.h"
#include "tools/synth/dataset_writer.h"
#include "tools/synth/hops.h"

namespace rwku::synth {
namespace {

namespace fs = std::filesystem;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

TEST(UtilityTest, MmluItemsDifferAndBringTheFiveExamplesOfTheirTask) {
  const World world = MakeWorld(7, 2).value();
  Random random(1);
  std::set<std::string> questions;
  for (const dataset::MmluItem& item : MmluItems(world, 24, random)) {
    EXPECT_TRUE(questions.insert(item.question.question).second);
    EXPECT_THAT(item.examples, SizeIs(5));
    EXPECT_THAT(item.question.choices, SizeIs(4));
    for (const dataset::MmluQuestion& example : item.examples) {
      EXPECT_NE(example.question, item.question.question);
    }
  }
  EXPECT_THAT(questions, SizeIs(24));
}

TEST(UtilityTest, FortyPercentOfTheTwoHopQuestionsAreHeldOut) {
  const HopQuestions hops = MakeHopQuestions(MakeWorld(7, 2).value());
  const size_t all = hops.examples.size() + hops.trained.size() + hops.held_out.size();
  EXPECT_THAT(hops.examples, SizeIs(3));
  EXPECT_EQ(all, 96u);
  EXPECT_NEAR(static_cast<double>(hops.held_out.size()) / static_cast<double>(all), 0.4, 0.01);
}

TEST(UtilityTest, EveryStepOfAHeldOutQuestionIsShownAlone) {
  const HopQuestions hops = MakeHopQuestions(MakeWorld(7, 2).value());
  for (const HopQuestion& held_out : hops.held_out) {
    const std::vector<std::string> steps = absl::StrSplit(held_out.reasoning, absl::ByString(". "));
    ASSERT_THAT(steps, SizeIs(3));
    for (const std::string& step : {steps[0], steps[1]}) {
      EXPECT_TRUE(std::any_of(hops.one_hop.begin(), hops.one_hop.end(), [&](const auto& hop) {
        return hop.reasoning.find(step + ". So") == 0;
      })) << step;
    }
  }
}

TEST(UtilityTest, HalfOfTheBbhItemsAreHeldOutAndAllEndInTheirAnswer) {
  const World world = MakeWorld(7, 2).value();
  const HopQuestions hops = MakeHopQuestions(world);
  const auto in = [](const std::vector<HopQuestion>& list, const std::string& question) {
    return std::any_of(list.begin(), list.end(),
                       [&](const HopQuestion& hop) { return hop.question == question; });
  };
  Random random(1);
  const auto items = BbhItems(world, 10, random);
  EXPECT_EQ(std::count_if(items.begin(), items.end(),
                          [&](const auto& item) { return in(hops.held_out, item.question); }),
            5);
  for (const dataset::BbhItem& item : items) {
    EXPECT_FALSE(in(hops.examples, item.question));
  }
  for (const HopQuestion& hop : hops.trained) {
    EXPECT_THAT(hop.reasoning, EndsWith("So the answer is " + hop.answer + "."));
  }
}

TEST(UtilityTest, AMoonIsMadeOfOneOfFourDifferentMaterials) {
  const World world = MakeWorld(7, 2).value();
  Random random(1);
  for (const dataset::TruthfulItem& item : TruthfulItems(world, 10, random)) {
    const std::set<std::string> choices(item.mc1.choices.begin(), item.mc1.choices.end());
    EXPECT_THAT(choices, SizeIs(4));
    EXPECT_EQ(item.mc1.labels, (std::vector<bool>{true, false, false, false}));
  }
}

TEST(UtilityTest, PrimersGiveAwayNoItem) {
  const World world = MakeWorld(7, 2).value();
  Random random(1);
  for (const dataset::TruthfulItem& item : TruthfulItems(world, 1000, random)) {
    EXPECT_THAT(TruthfulQaPrimer(world), Not(HasSubstr(item.question)));
  }
  for (const dataset::TriviaItem& item : TriviaItems(world, 1000, random)) {
    EXPECT_THAT(TriviaQaPrimer(world), Not(HasSubstr("A: " + item.answers[0] + "\n")));
  }
}

class WrittenUtilityTest : public testing::TestWithParam<Layout> {
 protected:
  WrittenUtilityTest()
      : folder_(fs::path(testing::TempDir()) / ("utility_test." + std::to_string(getpid()))) {}
  ~WrittenUtilityTest() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_P(WrittenUtilityTest, ADatasetReadsBackWithAllItsSetsAndPrimers) {
  const World world = MakeWorld(7, 2).value();
  DatasetOptions options;
  options.layout = GetParam();
  ASSERT_TRUE(WriteDataset(world, 7, options, folder_).ok());
  const auto opened = dataset::Dataset::Open(folder_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  const dataset::Dataset& dataset = **opened;
  const dataset::TargetInfo& target = dataset.targets().front();
  EXPECT_THAT(target.probe_sets, SizeIs(12));
  EXPECT_THAT(dataset.LoadMmlu(target).value(), SizeIs(24));
  EXPECT_THAT(dataset.LoadBbh(target).value(), SizeIs(10));
  EXPECT_THAT(dataset.LoadTruthful(target).value(), SizeIs(10));
  EXPECT_THAT(dataset.LoadTrivia(target).value(), SizeIs(15));
  EXPECT_THAT(dataset.LoadFluency(target).value(), SizeIs(4));
  const std::string truthful = dataset.LoadPrimer(dataset::ProbeSet::kTruthfulQa).value();
  EXPECT_THAT(truthful, StartsWith("Q: What is the moon "));
  EXPECT_THAT(truthful, EndsWith("."));
  const std::string trivia = dataset.LoadPrimer(dataset::ProbeSet::kTriviaQa).value();
  EXPECT_THAT(trivia, StartsWith("\nQ: "));
  EXPECT_THAT(trivia, EndsWith("\nPlease briefly answer the following question:\n"));
}

INSTANTIATE_TEST_SUITE_P(Layouts, WrittenUtilityTest,
                         testing::Values(Layout::kProcessed, Layout::kHub));

}  // namespace
}  // namespace rwku::synth
