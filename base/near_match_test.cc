#include "base/near_match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rwku {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(NearMatchesTest, FindsTyposNearestFirst) {
  EXPECT_THAT(NearMatches("npoo", {"ga", "npo", "dpo", "original"}), ElementsAre("npo", "dpo"));
}

TEST(NearMatchesTest, FindsAPartOfAName) {
  EXPECT_THAT(NearMatches("king", {"Stephen King", "Confucius"}), ElementsAre("Stephen King"));
}

TEST(NearMatchesTest, FindsNothingFarAway) {
  EXPECT_THAT(NearMatches("zzzzzz", {"ga", "npo"}), IsEmpty());
}

TEST(UnknownNameMessageTest, NamesWhatWasFoundAndWhatIsAllowed) {
  EXPECT_THAT(UnknownNameMessage("method", "gaa", {"ga", "npo"}),
              HasSubstr(R"(unknown method "gaa"; did you mean "ga"? known: ga, npo)"));
}

}  // namespace
}  // namespace rwku
