#include "benchmark/metrics/entropy.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace rwku::metrics {
namespace {

using Tokens = std::vector<std::string>;

TEST(NgramEntropyTest, WeighsBigramsAndTrigrams) {
  // Three different bigrams and two different trigrams.
  const double expected = (std::log2(3.0) * 2 / 3 + 1.0 * 4 / 3) / 2;
  EXPECT_NEAR(NgramEntropy(Tokens{"a", "b", "c", "d"}), expected, 1e-12);
}

TEST(NgramEntropyTest, CountsRepeatedNgrams) {
  // ab, ba, ab, ba, ab and aba, bab, aba, bab.
  const double bigrams = -(0.6 * std::log2(0.6) + 0.4 * std::log2(0.4));
  EXPECT_NEAR(NgramEntropy(Tokens{"a", "b", "a", "b", "a", "b"}), (bigrams * 2 / 3 + 4.0 / 3) / 2,
              1e-12);
  EXPECT_EQ(NgramEntropy(Tokens(50, "a")), 0.0);
}

TEST(NgramEntropyTest, TokensAreComparedWhole) {
  EXPECT_NEAR(NgramEntropy(Tokens{"ab", "c", "a", "bc"}), NgramEntropy(Tokens{"a", "b", "c", "d"}),
              1e-12);
}

TEST(NgramEntropyTest, TooFewTokensHaveNone) {
  EXPECT_EQ(NgramEntropy(Tokens{}), 0.0);
  EXPECT_EQ(NgramEntropy(Tokens{"a"}), 0.0);
  EXPECT_EQ(NgramEntropy(Tokens{"a", "b"}), 0.0);
}

}  // namespace
}  // namespace rwku::metrics
