#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "benchmark/dataset/corpora.h"
#include "benchmark/dataset/probe_set.h"
#include "benchmark/dataset/probe_type.h"

namespace rwku::dataset {
namespace {

using ::testing::HasSubstr;

TEST(ProbeSetTest, EveryNameIsItsOwnAndParsesBack) {
  std::set<std::string> names;
  for (const ProbeSet set : kAllProbeSets) {
    EXPECT_EQ(*ParseProbeSet(ProbeSetName(set)), set);
    names.insert(std::string(ProbeSetName(set)));
  }
  EXPECT_EQ(names.size(), kAllProbeSets.size());
}

TEST(ProbeSetTest, AnUnknownNameIsAnsweredWithNearOnes) {
  const auto set = ParseProbeSet("forget_level4");
  EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(set.status().message()), HasSubstr("did you mean \"forget_level1\""));
}

TEST(CorpusKindTest, OnlyPhiHasFilesOfItsOwn) {
  EXPECT_EQ(CorpusFile(CorpusKind::kPositive, "llama"), "positive.json");
  EXPECT_EQ(CorpusFile(CorpusKind::kPositive, "phi3"), "positive_phi.json");
  EXPECT_EQ(CorpusFile(CorpusKind::kPassage, "phi3"), "passage.json");
  for (const CorpusKind kind : kAllCorpusKinds) {
    EXPECT_EQ(*ParseCorpusKind(CorpusKindName(kind)), kind);
  }
  EXPECT_FALSE(ParseCorpusKind("positiv").ok());
}

TEST(ProbeTypeTest, EverySpellingHasOneName) {
  struct Case {
    std::string spelling;
    absl::string_view canonical;
  };
  for (const Case& c : std::vector<Case>{{"cloze", kCloze},
                                         {"simple question", kSimpleQuestion},
                                         {"prefix injection", kPrefixInjection},
                                         {"affirmative suffix", kAffirmativeSuffix},
                                         {"role play", kRolePlaying},
                                         {"role playing", kRolePlaying},
                                         {"Role Playing ", kRolePlaying},
                                         {"multiple choice", kMultipleChoice},
                                         {"reverse query", kReverseQuery},
                                         {"synonym manipulation", kSynonymManipulation},
                                         {"background hint", kBackgroundHint},
                                         {"context hint", kBackgroundHint},
                                         {"incontext learning", kIncontextLearning},
                                         {"in-context learning", kIncontextLearning},
                                         {"cross lingual", kCrossLingual},
                                         {"cross lingal", kCrossLingual},
                                         {"cross_lingual", kCrossLingual},
                                         {"cross lingual (Spanish)", kCrossLingual},
                                         {"cross lingual (French)", kCrossLingual},
                                         {" Something New ", "Something New"}}) {
    EXPECT_EQ(CanonicalProbeType(c.spelling), c.canonical) << c.spelling;
  }
}

}  // namespace
}  // namespace rwku::dataset
