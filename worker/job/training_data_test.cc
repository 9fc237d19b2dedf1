#include "worker/job/training_data.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/file.h"
#include "benchmark/methods/registry.h"
#include "worker/job/training_plan.h"

namespace rwku::job {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TrainingDataTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(::testing::TempDir()) /
            absl::StrCat("training_data_test_", getpid(), "_",
                         ::testing::UnitTest::GetInstance()->current_test_info()->name());
    for (const int number : {1, 2, 3}) {
      const std::string name = absl::StrCat("P", number);
      const auto record = [&](const std::string& fields) {
        return absl::StrCat(R"({"subject": ")", name, R"(", )", fields, "}");
      };
      Write(number, "intro.json", record(absl::StrCat(R"("intro": ")", name, R"( paints.")")));
      std::string positive;
      for (int i = 0; i < 5; ++i) {
        absl::StrAppend(&positive, i == 0 ? "" : ", ",
                        record(absl::StrCat(R"("text": "said of )", name, " ", i, R"(")")));
      }
      Write(number, "positive.json", positive);
      Write(
          number, "pair.json",
          record(R"("id": "1", "intro": "x", "prompt": "write", "response": ["made up", "true"])"));
      Write(number, "reject.json",
            record(R"("instruction": "who?", "input": "", "output": "no idea", "intro": "x")"));
      Write(number, "neighbor_level1.json",
            record(R"("query": "N was born in ___.", "answer": "1950", "level": "1",
                      "type": "cloze", "neighbor": "N")"));
      Write(number, "neighbor_level2.json",
            record(R"("query": "Where was N born?", "answer": "Rome", "level": "2",
                      "type": "simple question", "neighbor": "N")"));
    }
    auto opened = dataset::Dataset::Open(root_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    data_ = *std::move(opened);
  }

  void TearDown() override { std::filesystem::remove_all(root_); }

  void Write(int number, const std::string& file, const std::string& records) {
    const std::filesystem::path folder = root_ / "Target" / absl::StrCat(number, "_P", number);
    std::filesystem::create_directories(folder);
    ASSERT_TRUE(WriteFileAtomically(folder / file, absl::StrCat("[", records, "]")).ok());
  }

  absl::StatusOr<TrainingData> Read(const std::string& method, const std::vector<int>& targets,
                                    methods::Recipe recipe, uint64_t seed = 42) {
    std::vector<const dataset::TargetInfo*> infos;
    for (const int number : targets) {
      infos.push_back(*data_->FindTarget(absl::StrCat(number)));
    }
    recipe.method = method;
    return ReadTrainingData(*data_, infos, *methods::FindMethod(method, "llama"), recipe, "llama",
                            seed);
  }

  static methods::Recipe Retaining(methods::RetainSource source) {
    methods::Recipe recipe;
    recipe.retain = {methods::RetainTerm::kNll, 1, source};
    return recipe;
  }

  std::filesystem::path root_;
  std::unique_ptr<dataset::Dataset> data_;
};

TEST_F(TrainingDataTest, CorporaOfABatchStandOneAfterAnother) {
  methods::Recipe recipe;
  recipe.max_texts = 2;
  const auto data = Read("ga", {1, 3}, recipe);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->texts,
              ElementsAre("said of P1 0", "said of P1 1", "said of P3 0", "said of P3 1"));
  EXPECT_THAT(data->retain_texts, IsEmpty());
}

TEST_F(TrainingDataTest, PairsAndRefusalsKeepTheirSides) {
  const auto pairs = Read("dpo", {1, 2}, {});
  ASSERT_TRUE(pairs.ok()) << pairs.status();
  ASSERT_THAT(pairs->pairs, SizeIs(2));
  EXPECT_EQ(pairs->pairs[0].chosen, "made up");
  EXPECT_EQ(pairs->pairs[0].rejected, "true");
  const auto chats = Read("rt", {2}, {});
  ASSERT_THAT(chats->chats, SizeIs(1));
  EXPECT_EQ(chats->chats[0].response, "no idea");
  EXPECT_EQ(Read("icu", {1}, {})->size(), 0U);
}

TEST_F(TrainingDataTest, RetainTextsAreOfOtherTargetsAndSeeded) {
  const auto recipe = Retaining(methods::RetainSource::kTargets);
  const auto data = Read("graddiff", {1}, recipe);
  ASSERT_TRUE(data.ok()) << data.status();
  ASSERT_THAT(data->retain_texts, SizeIs(5));
  const auto of = [&](const std::string& name) {
    return std::count_if(data->retain_texts.begin(), data->retain_texts.end(),
                         [&](const std::string& text) { return absl::StrContains(text, name); });
  };
  EXPECT_EQ(of("P1"), 0);
  EXPECT_EQ(of("P2") + of("P3"), 5);
  EXPECT_LE(std::abs(of("P2") - of("P3")), 1);
  EXPECT_EQ(Read("graddiff", {1}, recipe)->retain_texts, data->retain_texts);
  EXPECT_NE(Read("graddiff", {1}, recipe, 7)->retain_texts, data->retain_texts);
  EXPECT_THAT(std::string(Read("graddiff", {1, 2, 3}, recipe).status().message()),
              HasSubstr("recipe.retain.source"));
}

TEST_F(TrainingDataTest, NeighborsGiveTheirAnswersInPlaceOfTheBlank) {
  const auto data = Read("kl", {1}, Retaining(methods::RetainSource::kNeighbors));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->retain_texts,
              ::testing::UnorderedElementsAre("N was born in 1950.", "Where was N born? Rome"));
}

TEST_F(TrainingDataTest, ThePlanTakesEverythingFromTheRecipe) {
  for (const methods::MethodInfo& method : methods::ListMethods("llama")) {
    for (const methods::Recipe& recipe : method.defaults) {
      const auto plan = MakeTrainingPlan(method, recipe, {.seed = 7, .model_layers = 12}, {});
      if (method.objective == methods::Objective::kNone) {
        EXPECT_THAT(std::string(plan.status().message()), HasSubstr("does not train"));
        continue;
      }
      ASSERT_TRUE(plan.ok()) << method.name << ": " << plan.status();
      EXPECT_EQ(plan->learning_rate, recipe.learning_rate);
      EXPECT_EQ(plan->beta, recipe.beta);
      EXPECT_EQ(plan->strength, recipe.strength);
      EXPECT_EQ(plan->forget_weight, recipe.forget_weight);
      EXPECT_EQ(plan->layer, 4);
      EXPECT_EQ(plan->layers.has_value(), recipe.tuning == methods::Tuning::kPartial);
      EXPECT_EQ(plan->trained == engine::TrainedWeights::kLora,
                recipe.tuning == methods::Tuning::kLora);
      EXPECT_EQ(plan->retain.term == engine::RetainTerm::kNone,
                recipe.retain.term == methods::RetainTerm::kNone);
    }
  }
}

}  // namespace
}  // namespace rwku::job
