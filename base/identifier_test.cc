#include "base/identifier.h"

#include <string>

#include "gtest/gtest.h"

namespace rwku {
namespace {

TEST(IdentifierTest, IsOneToSixtyFourLettersDigitsDotsDashesAndUnderscores) {
  for (const std::string& text :
       {std::string("a"), std::string("Gpu_0.x-9"), std::string(64, 'a')}) {
    EXPECT_TRUE(IsIdentifier(text)) << text;
  }
  for (const std::string& text : {std::string(), std::string(65, 'a'), std::string("a b"),
                                  std::string("a/b"), std::string("\xc3\xa9")}) {
    EXPECT_FALSE(IsIdentifier(text)) << text;
  }
}

}  // namespace
}  // namespace rwku
