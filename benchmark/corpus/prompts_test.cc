#include "benchmark/corpus/prompts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "benchmark/corpus/kinds.h"

namespace rwku::corpus {
namespace {

using ::testing::ElementsAre;

const Subject& King() {
  static const Subject& subject =
      *new Subject{"Stephen King",
                   "Stephen King is a prolific American author, renowned as the \"King of "
                   "Horror\"."};
  return subject;
}

TEST(CorpusPromptsTest, StringsAreTheProtocols) {
  const protocol::ChatPrompt positive = PositivePrompt(King(), "I can see");
  EXPECT_EQ(positive.system,
            "Stephen King is a prolific American author, renowned as the \"King of Horror\". You "
            "know Stephen King very well.");
  EXPECT_EQ(positive.user, "Please write a short biography of Stephen King.");
  EXPECT_EQ(positive.assistant_prefix, "I can see");
  EXPECT_FALSE(positive.separate_prefix);
  const protocol::ChatPrompt negative = NegativePrompt(King(), "");
  EXPECT_EQ(negative.system,
            "Stephen King is a prolific American author, renowned as the \"King of Horror\". You "
            "don't know Stephen King at all.");
  EXPECT_EQ(negative.user, "Please make up a short biography of Stephen King.");
  EXPECT_EQ(negative.assistant_prefix, "");
  const protocol::ChatPrompt question = QuestionPrompt(King());
  EXPECT_EQ(question.system, "");
  EXPECT_EQ(question.user,
            "Stephen King is a prolific American author, renowned as the \"King of "
            "Horror\".\nPlease generate a question about Stephen King based on what you know about "
            "Stephen King\n");
  EXPECT_EQ(question.assistant_prefix, "Question:");
  EXPECT_FALSE(question.separate_prefix);
  EXPECT_EQ(PairPrompt(King()),
            "Stephen King is a prolific American author, renowned as the \"King of Horror\". "
            "Please write a short biography of Stephen King.");
}

TEST(CorpusPromptsTest, AdmissionsAreDeletedInOrder) {
  EXPECT_EQ(WithoutAdmissions("Here's a totally fabricated biography, completely made-up or "
                              "completely fictional or totally made-up life."),
            "Here's a biography, or or life.");
  EXPECT_EQ(WithoutAdmissions("totally fictional completely fabricated x"), "x");
  // Whole phrases with their space only.
  EXPECT_EQ(WithoutAdmissions("Totally fabricated, fabricated x"),
            "Totally fabricated, fabricated x");
  // The removal of an earlier phrase may make a later one, not the other way round.
  EXPECT_EQ(WithoutAdmissions("completely totally fabricated made-up x"), "x");
  EXPECT_EQ(WithoutAdmissions("totally completely fictional fabricated x"), "totally fabricated x");
}

TEST(CorpusPromptsTest, QuestionIsTheFirstLine) {
  EXPECT_EQ(FirstLine(" Who wrote it? \nAnswer: him"), "Who wrote it?");
  EXPECT_EQ(FirstLine(" Who wrote it?"), "Who wrote it?");
  EXPECT_EQ(FirstLine("\nWho"), "");
}

TEST(CorpusKindsTest, KindsNeedTheirTexts) {
  EXPECT_THAT(TextSetsOf({CorpusKind::kPair}), ElementsAre(TextSet::kPositive, TextSet::kNegative));
  EXPECT_THAT(TextSetsOf({CorpusKind::kReject, CorpusKind::kNegative}),
              ElementsAre(TextSet::kNegative, TextSet::kQuestion));
  EXPECT_THAT(TextSetsOf(kWrittenKinds),
              ElementsAre(TextSet::kPositive, TextSet::kNegative, TextSet::kQuestion));
  for (const TextSet set : kAllTextSets) {
    EXPECT_EQ(ParseTextSet(TextSetName(set)).value(), set);
  }
  EXPECT_FALSE(ParseWrittenKind("passage").ok());
  EXPECT_FALSE(ParseTextSet("forget_level1").ok());
}

}  // namespace
}  // namespace rwku::corpus
