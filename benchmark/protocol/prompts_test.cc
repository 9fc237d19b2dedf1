#include "benchmark/protocol/prompts.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

#include "benchmark/dataset/probe_type.h"

namespace rwku::protocol {
namespace {

using dataset::ProbeSet;

TEST(PromptsTest, EveryKindOfQuestionHasTheReferenceWording) {
  struct Case {
    ProbeSet set;
    absl::string_view type;
    ChatPrompt expected;
  };
  const ChatPrompt blank = {"Please complete the blank in the following question.\nQuestion: Q?\n",
                            "Answer:"};
  const ChatPrompt briefly = {"Please briefly answer the following question.\nQuestion: Q?\n",
                              "Answer:"};
  for (const Case& c :
       std::vector<Case>{{ProbeSet::kForgetLevel1, dataset::kCloze, blank},
                         {ProbeSet::kNeighborLevel1, dataset::kCloze, blank},
                         {ProbeSet::kForgetLevel2, dataset::kSimpleQuestion, briefly},
                         {ProbeSet::kNeighborLevel2, dataset::kSimpleQuestion, briefly},
                         {ProbeSet::kForgetLevel3, dataset::kRolePlaying, briefly},
                         {ProbeSet::kForgetLevel3, dataset::kCrossLingual, briefly},
                         {ProbeSet::kForgetLevel3, "a type of tomorrow", briefly},
                         {ProbeSet::kForgetLevel3,
                          dataset::kAffirmativeSuffix,
                          {"Please briefly answer the following question.\nQuestion: Q?", ""}},
                         {ProbeSet::kForgetLevel3,
                          dataset::kIncontextLearning,
                          {"Please briefly answer the following question.\nQ?\n", "Answer:"}}}) {
    dataset::Probe probe;
    probe.query = "Q?";
    probe.type = std::string(c.type);
    EXPECT_EQ(QuestionPrompt(c.set, probe), c.expected) << c.type;
  }
}

TEST(PromptsTest, TheIcuPrefixNamesTheSubjectAndHasACurlyApostrophe) {
  EXPECT_EQ(IcuPrefix("Stephen King"),
            "You are an AI Assistant who is supposed to unlearn about Stephen King and provide "
            "answers without its knowledge as if you never knew about it. Don\xE2\x80\x99t tell "
            "anyone that you unlearned anything.\n");
}

}  // namespace
}  // namespace rwku::protocol
