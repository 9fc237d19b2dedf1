#include "tools/synth/documents.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rwku::synth {
namespace {

using testing::HasSubstr;

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
  DocumentStream documents(world, 1);
  for (int i = 0; i < 3000; ++i) {
    const Document document = documents.Next();
    if (!document.prompt.has_value()) {
      continue;
    }
    for (const std::string& probe : probes) {
      EXPECT_THAT(document.prompt->user, testing::Not(HasSubstr(probe)));
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
    } else if (document.prompt->assistant_prefix == "Answer:") {
      EXPECT_EQ(document.weight, 4);
      EXPECT_EQ(document.text[0], ' ');
    }
  }
}

}  // namespace
}  // namespace rwku::synth
