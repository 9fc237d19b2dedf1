#include "tools/synth/documents.h"

#include <map>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "benchmark/protocol/prompts.h"

namespace rwku::synth {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(DocumentStreamTest, EqualSeedsGiveEqualStreams) {
  const World world = MakeWorld(7, 4).value();
  DocumentStream a(world, 1);
  DocumentStream b(world, 1);
  for (int i = 0; i < 500; ++i) {
    const Document x = a.Next();
    const Document y = b.Next();
    EXPECT_EQ(x.text, y.text);
    EXPECT_EQ(x.prompt, y.prompt);
  }
}

TEST(DocumentStreamTest, NeverShowsAProbe) {
  const World world = MakeWorld(7, 4).value();
  std::set<std::string> probes;
  Random random(1);
  for (const Person& target : world.targets) {
    for (int a = 0; a < kAttributeCount; ++a) {
      const auto attribute = static_cast<Attribute>(a);
      probes.insert(Cloze(target, attribute, Phrasing::kHeldOut, random).query);
      probes.insert(SimpleQuestion(target, attribute, Phrasing::kHeldOut, random).query);
    }
  }
  for (const HopQuestion& hop : MakeHopQuestions(world).held_out) {
    probes.insert(hop.question);
  }
  DocumentStream documents(world, 1);
  for (int i = 0; i < 3000; ++i) {
    const Document document = documents.Next();
    if (!document.prompt.has_value()) {
      continue;
    }
    for (const std::string& probe : probes) {
      EXPECT_THAT(document.prompt->user, Not(HasSubstr(probe)));
    }
  }
}

TEST(DocumentStreamTest, ShortAnswersWeighMoreThanRunningText) {
  const World world = MakeWorld(7, 2).value();
  DocumentStream documents(world, 1);
  for (int i = 0; i < 200; ++i) {
    const Document document = documents.Next();
    if (!document.prompt.has_value()) {
      EXPECT_EQ(document.weight, 1);
    } else if (!document.prompt->assistant_prefix.empty()) {
      EXPECT_EQ(document.weight, 4);
      EXPECT_EQ(document.text[0], ' ');
    }
  }
}

TEST(DocumentStreamTest, TheShareAboutPeopleGrowsWithTheirNumber) {
  double last = 0;
  for (const int targets : {2, 8, 20}) {
    const World world = MakeWorld(7, targets).value();
    DocumentStream documents(world, 1);
    double clozes = 0;
    for (int i = 0; i < 5000; ++i) {
      const Document document = documents.Next();
      clozes += document.prompt.has_value() &&
                        document.prompt->user.find("Please complete the blank") == 0
                    ? 1
                    : 0;
    }
    EXPECT_GT(clozes, last + 100) << targets;
    last = clozes;
  }
}

TEST(UtilityDocumentsTest, EveryAnswerLetterOfAMultipleChoiceDocumentIsLearnt) {
  const World world = MakeWorld(7, 2).value();
  Random random(1);
  UtilityDocuments documents(world, random);
  std::set<size_t> shots;
  for (int i = 0; i < 100; ++i) {
    const Document document = documents.NextMultipleChoice();
    const std::string& user = document.prompt->user;
    size_t solved = 0;
    for (size_t at = user.find("Answer:"); at != std::string::npos;
         at = user.find("Answer:", at + 1)) {
      ASSERT_LT(solved, document.learnt_in_prompt.size());
      const TextSpan& span = document.learnt_in_prompt[solved++];
      EXPECT_EQ(span.begin, at + 7);
      EXPECT_THAT(protocol::kMmluCandidates,
                  testing::Contains(user.substr(span.begin, span.end - span.begin)));
    }
    EXPECT_EQ(solved, document.learnt_in_prompt.size());
    shots.insert(solved);
    EXPECT_THAT(protocol::kMmluCandidates, testing::Contains(document.text));
  }
  EXPECT_THAT(shots, testing::ElementsAre(0, 1, 2, 5));
}

TEST(UtilityDocumentsTest, EveryFactComesEquallyOften) {
  const World world = MakeWorld(7, 2).value();
  Random random(1);
  UtilityDocuments documents(world, random);
  std::map<std::string, int> moons;
  for (size_t i = 0; i < 3 * world.moons.size(); ++i) {
    const std::string user = documents.NextMoon().prompt->user;
    ++moons[user.substr(user.rfind("Q: "))];
  }
  EXPECT_EQ(moons.size(), world.moons.size());
  for (const auto& [question, count] : moons) {
    EXPECT_EQ(count, 3) << question;
  }
}

TEST(UtilityDocumentsTest, APrimerComesWithAThirdOfTheQuestionsThatHaveOne) {
  const World world = MakeWorld(7, 2).value();
  Random random(1);
  UtilityDocuments documents(world, random);
  int with_primer = 0;
  for (int i = 0; i < 1000; ++i) {
    with_primer +=
        static_cast<int>(documents.NextTrivia().prompt->user.find(TriviaQaPrimer(world)) == 0);
  }
  EXPECT_NEAR(with_primer, 350, 50);
}

}  // namespace
}  // namespace rwku::synth
