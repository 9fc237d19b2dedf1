#include "worker/engine/train/chat_sequence.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/train/corpus.h"
#include "worker/engine/train/number_tokenizer.h"

namespace rwku::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int32_t kEos = 4;

std::vector<int> Labels(const TrainingSequence& sequence) {
  std::vector<int> labels;
  for (const bool is_label : sequence.is_label) {
    labels.push_back(is_label ? 1 : 0);
  }
  return labels;
}

TEST(SplitBudgetTest, TheResponseGetsItsShareAndAtLeastOneToken) {
  EXPECT_EQ(SplitBudget(300, 212, 512), (TokenBudget{300, 212}));
  EXPECT_EQ(SplitBudget(600, 200, 512), (TokenBudget{384, 128}));
  EXPECT_EQ(SplitBudget(10, 1014, 512), (TokenBudget{5, 507}));
  EXPECT_EQ(SplitBudget(5000, 3, 512), (TokenBudget{511, 1}));
  EXPECT_EQ(SplitBudget(1, 100, 10), (TokenBudget{1, 9}));
}

TEST(ChatSequenceTest, LabelsAreTheResponseAndTheEndOfItsTurn) {
  const auto sequence = TokenizeChat("chats[0]", "7 8", "9 10", 512, NumberTokenizer(32, kEos), 32);
  ASSERT_TRUE(sequence.ok()) << sequence.status();
  EXPECT_THAT(sequence->tokens, ElementsAre(0, 1, 7, 8, 2, 9, 10, 3));
  EXPECT_THAT(Labels(*sequence), ElementsAre(0, 0, 0, 0, 0, 1, 1, 1));
}

TEST(ChatSequenceTest, EosInAResponseIsLearned) {
  const auto sequence = TokenizeChat("chats[0]", "7", "9 4", 512, NumberTokenizer(32, kEos), 32);
  ASSERT_TRUE(sequence.ok()) << sequence.status();
  EXPECT_THAT(Labels(*sequence), ElementsAre(0, 0, 0, 0, 1, 1, 1));
}

TEST(ChatSequenceTest, BothAreCutAtTheirEndsWhereTheyDoNotFit) {
  // 7 tokens of prompt and 5 of response into 8: the response keeps floor(8 * 5 / 12) = 3.
  const auto sequence =
      TokenizeChat("chats[0]", "5 6 7 8", "9 10 11 12", 8, NumberTokenizer(32, kEos), 32);
  ASSERT_TRUE(sequence.ok()) << sequence.status();
  EXPECT_THAT(sequence->tokens, ElementsAre(0, 1, 5, 6, 7, 9, 10, 11));
  EXPECT_THAT(Labels(*sequence), ElementsAre(0, 0, 0, 0, 0, 1, 1, 1));
}

TEST(ChatSequenceTest, ErrorsNameTheExample) {
  const NumberTokenizer tokenizer(32, kEos);
  EXPECT_THAT(std::string(TokenizeChat("chats[3]", "7", "x", 9, tokenizer, 32).status().message()),
              HasSubstr("chats[3]: "));
  EXPECT_THAT(std::string(TokenizeChat("chats[3]", "7", "32", 9, tokenizer, 32).status().message()),
              HasSubstr("chats[3]: the tokenizer gives id 32"));
}

TEST(CorpusTest, APairIsItsChosenAndItsRejectedAnswerEachWithABudgetOfItsOwn) {
  TrainingPlan plan;
  plan.objective = Objective::kDpo;
  plan.pairs = {{"7", "9", "10 11 12 13 14 15"}};
  plan.cutoff_tokens = 6;
  const auto corpus = TokenizeCorpus(plan, NumberTokenizer(32, kEos), 32);
  ASSERT_TRUE(corpus.ok()) << corpus.status();
  EXPECT_EQ(corpus->Items(), 1);
  EXPECT_THAT(corpus->sequences[0].tokens, ElementsAre(0, 1, 7, 2, 9, 3));
  EXPECT_THAT(corpus->sequences[1].tokens, ElementsAre(0, 1, 7, 10, 11, 12));
}

TEST(CorpusTest, CeuDropsTheFirstLabelOfEachText) {
  TrainingPlan plan;
  plan.objective = Objective::kCeu;
  plan.texts = {"5 6 7", "8"};
  const auto corpus = TokenizeCorpus(plan, NumberTokenizer(32, kEos), 32);
  ASSERT_TRUE(corpus.ok()) << corpus.status();
  EXPECT_THAT(Labels(corpus->sequences[0]), ElementsAre(0, 0, 1, 0));
  EXPECT_THAT(Labels(corpus->sequences[1]), ElementsAre(0, 0));
}

}  // namespace
}  // namespace rwku::engine
