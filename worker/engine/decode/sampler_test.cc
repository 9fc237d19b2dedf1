#include "worker/engine/decode/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace rwku::engine {
namespace {

// Logits of known probabilities.
std::vector<float> LogitsOf(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  logits.reserve(probabilities.size());
  for (const double p : probabilities) {
    logits.push_back(static_cast<float>(std::log(p)));
  }
  return logits;
}

TEST(SamplerTest, DrawsInvertTheDistributionInOrderOfProbability) {
  const std::vector<float> logits = LogitsOf({0.1, 0.4, 0.2, 0.3});
  const std::map<double, int32_t> expected = {{0.0, 1},   {0.399, 1}, {0.401, 3}, {0.699, 3},
                                              {0.701, 2}, {0.899, 2}, {0.901, 0}, {0.9999, 0}};
  for (const auto& [draw, token] : expected) {
    EXPECT_EQ(SampleToken(logits, 1, 1, draw), token) << draw;
  }
}

TEST(SamplerTest, TopPKeepsTheSmallestSetThatHoldsIt) {
  const std::vector<float> logits = LogitsOf({0.1, 0.4, 0.2, 0.3});
  // 0.4 + 0.3 hold 0.65 and are scaled up to one: 4/7 and 3/7.
  EXPECT_EQ(SampleToken(logits, 1, 0.65, 0.571), 1);
  EXPECT_EQ(SampleToken(logits, 1, 0.65, 0.572), 3);
  EXPECT_EQ(SampleToken(logits, 1, 0.65, 0.9999), 3);
  // 0.75 needs a third one.
  EXPECT_EQ(SampleToken(logits, 1, 0.75, 0.9999), 2);
  // The likeliest is always there.
  EXPECT_EQ(SampleToken(logits, 1, 1e-9, 0.9999), 1);
}

TEST(SamplerTest, EqualTokensComeInOrderOfTheirIds) {
  const std::vector<float> logits = {2, 2, 2, 2};  // exactly a quarter each
  for (int token = 0; token < 4; ++token) {
    EXPECT_EQ(SampleToken(logits, 1, 1, token * 0.25), token);
    EXPECT_EQ(SampleToken(logits, 0.1, 1, token * 0.25), token);
  }
  // Half of the mass is two of them: the lower ids.
  EXPECT_EQ(SampleToken(logits, 1, 0.5, 0.0), 0);
  EXPECT_EQ(SampleToken(logits, 1, 0.5, 0.5), 1);
  EXPECT_EQ(SampleToken(logits, 1, 0.5, 0.9999), 1);
}

TEST(SamplerTest, TemperatureSharpensAndFlattens) {
  const std::vector<float> logits = LogitsOf({0.2, 0.8});  // odds of 4 to 1
  // At one half the odds are 16 to 1, at two they are 2 to 1.
  EXPECT_EQ(SampleToken(logits, 0.5, 1, 16.0 / 17 - 1e-6), 1);
  EXPECT_EQ(SampleToken(logits, 0.5, 1, 16.0 / 17 + 1e-6), 0);
  EXPECT_EQ(SampleToken(logits, 2, 1, 2.0 / 3 - 1e-6), 1);
  EXPECT_EQ(SampleToken(logits, 2, 1, 2.0 / 3 + 1e-6), 0);
}

TEST(SamplerTest, LargeLogitsAndTokensThatNeverComeAreHarmless) {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  const double last = std::nextafter(1.0, 0.0);
  EXPECT_EQ(SampleToken({kNever, 3e38F, kNever}, 1, 1, last), 1);
  EXPECT_EQ(SampleToken({kNever, 5, kNever, 5}, 1, 1, last), 3);
  EXPECT_EQ(SampleToken({-1e30F, 0, -1e30F}, 1, 0.9, last), 1);
}

TEST(SamplerTest, WithoutAFiniteLargestLogitThereIsNoToken) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(SampleToken({1, NAN, 2}, 1, 1, 0.5), -1);
  EXPECT_EQ(SampleToken({1, kInfinity}, 1, 1, 0.5), -1);
  EXPECT_EQ(SampleToken({-kInfinity, -kInfinity}, 1, 1, 0.5), -1);
  EXPECT_EQ(SampleToken({}, 1, 1, 0.5), -1);
}

// The same rule by sorting everything, on distributions of many shapes.
TEST(SamplerTest, AgreesWithAFullSort) {
  Random random(5, "logits");
  for (int round = 0; round < 200; ++round) {
    std::vector<float> logits(1 + random.Below(300));
    const double scale = std::pow(10, 2 * random.Uniform() - 1);
    for (float& logit : logits) {
      logit = static_cast<float>(std::round(scale * random.Normal() * 8) / 8);  // with ties
    }
    const double top_p = round % 3 == 0 ? 1 : 0.05 + 0.9 * random.Uniform();
    std::vector<std::pair<float, int>> order;
    double all = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      order.emplace_back(-logits[i], static_cast<int>(i));
      all += std::exp(static_cast<double>(logits[i]));
    }
    std::sort(order.begin(), order.end());
    std::vector<double> sums;
    for (const auto& [negative, token] : order) {
      sums.push_back((sums.empty() ? 0 : sums.back()) + std::exp(-static_cast<double>(negative)));
      if (top_p < 1 && sums.back() >= top_p * all) {
        break;
      }
    }
    for (int i = 0; i < 20; ++i) {
      const double draw = random.Uniform();
      size_t expected = 0;
      while (expected + 1 < sums.size() && sums[expected] <= draw * sums.back()) {
        ++expected;
      }
      EXPECT_EQ(SampleToken(logits, 1, top_p, draw), order[expected].second);
    }
  }
}

}  // namespace
}  // namespace rwku::engine
