#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "absl/strings/string_view.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "worker/engine/decode/kernel_builds.h"
#include "worker/engine/decode/kernel_cases.h"

namespace rwku::engine {
namespace {

std::vector<float> Values(uint64_t seed, int64_t count) {
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) {
    value = static_cast<float>(random.Normal());
  }
  return values;
}

std::vector<float> Multiply(const Kernels& kernels, const std::vector<float>& x, int64_t rows,
                            const std::vector<float>& weight, int64_t columns, int64_t depth) {
  std::vector<float> packed(static_cast<size_t>(PackedSize(columns, depth)));
  PackPanels(weight.data(), 0, columns, depth, packed.data());
  std::vector<float> y(static_cast<size_t>(rows * columns));
  kernels.multiply(x.data(), rows, depth, packed.data(), 0,
                   RoundUp(columns, kPanelColumns) / kPanelColumns, columns, false, y.data(),
                   columns);
  return y;
}

const Kernels* Find(absl::string_view name) {
  for (const Kernels* const kernels : SupportedKernels()) {
    if (kernels->name == name) {
      return kernels;
    }
  }
  return nullptr;
}

TEST(KernelsTest, ProductOfARowIsTheSameBitsInEveryNumberOfRows) {
  constexpr int64_t kDepth = 301;
  constexpr int64_t kColumns = 150;
  constexpr int64_t kRows = 150;
  const std::vector<float> x = Values(1, kRows * kDepth);
  const std::vector<float> weight = Values(2, kColumns * kDepth);
  for (const Kernels* const kernels : SupportedKernels()) {
    const std::vector<float> all = Multiply(*kernels, x, kRows, weight, kColumns, kDepth);
    for (int64_t rows = 1; rows < kRows; rows += rows < 30 ? 1 : 17) {
      const std::vector<float> some = Multiply(*kernels, x, rows, weight, kColumns, kDepth);
      EXPECT_EQ(0, std::memcmp(some.data(), all.data(), some.size() * sizeof(float)))
          << kernels->name << " " << rows;
    }
  }
}

TEST(KernelsTest, ProductIsThatOfDoublePrecision) {
  constexpr int64_t kDepth = 1025;
  constexpr int64_t kColumns = 33;
  const std::vector<float> weight = Values(2, kColumns * kDepth);
  for (const int64_t rows : {1, 15}) {
    const std::vector<float> x = Values(1, rows * kDepth);
    for (const Kernels* const kernels : SupportedKernels()) {
      const std::vector<float> y = Multiply(*kernels, x, rows, weight, kColumns, kDepth);
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < kColumns; ++c) {
          double sum = 0;
          for (int64_t i = 0; i < kDepth; ++i) {
            sum += static_cast<double>(x[r * kDepth + i]) * weight[c * kDepth + i];
          }
          EXPECT_NEAR(y[r * kColumns + c], sum, 2e-4) << kernels->name << " " << r << " " << c;
        }
      }
    }
  }
}

TEST(KernelsTest, PanelsOfBfloat16GiveTheBitsOfTheirValues) {
  constexpr int64_t kDepth = 301;
  constexpr int64_t kColumns = 77;
  constexpr int64_t kPanels = RoundUp(kColumns, kPanelColumns) / kPanelColumns;
  std::vector<float> weight = Values(2, kColumns * kDepth);
  EXPECT_FALSE(AreBf16(weight.data(), kColumns * kDepth));
  std::vector<Bf16Pair> pairs(static_cast<size_t>(PackedSize(kColumns, kDepth) / 2));
  // In two parts, as weights that are multiplied together are packed.
  PackBf16Panels(weight.data(), 0, 40, kDepth, pairs.data());
  PackBf16Panels(weight.data() + 40 * kDepth, 40, kColumns - 40, kDepth, pairs.data());
  for (float& value : weight) {
    const float exact = value;
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000U;
    std::memcpy(&value, &bits, sizeof(bits));
    EXPECT_LE(std::abs(value - exact), std::abs(exact) / 256);
  }
  EXPECT_TRUE(AreBf16(weight.data(), kColumns * kDepth));
  for (const int64_t rows : {1, 2, 3, 5, 8, 12, 13, 131}) {
    const std::vector<float> x = Values(1, rows * kDepth);
    for (const Kernels* const kernels : SupportedKernels()) {
      std::vector<float> y(static_cast<size_t>(rows * kColumns));
      kernels->multiply_bf16(x.data(), rows, kDepth, pairs.data(), 0, kPanels, kColumns, false,
                             y.data(), kColumns);
      EXPECT_EQ(y, Multiply(*kernels, x, rows, weight, kColumns, kDepth))
          << kernels->name << " " << rows;
    }
  }
}

TEST(KernelsTest, RoundingToBfloat16KeepsNanAndInfinity) {
  const std::vector<float> weight = {NAN, INFINITY, -INFINITY, 3.4e38F};
  std::vector<Bf16Pair> pairs(static_cast<size_t>(PackedSize(1, 4) / 2));
  PackBf16Panels(weight.data(), 0, 1, 4, pairs.data());
  const auto value = [&](int64_t i) {
    const uint32_t bits = pairs[i * kLanes] << 16;
    float result = 0;
    std::memcpy(&result, &bits, sizeof(result));
    return result;
  };
  EXPECT_TRUE(std::isnan(value(0)));
  EXPECT_EQ(value(1), INFINITY);
  EXPECT_EQ(value(2), -INFINITY);
  EXPECT_EQ(value(3), INFINITY) << "beyond the largest bfloat16";
}

TEST(KernelsTest, PartsOfPanelsAndSumsThatAddAreThoseOfTheWhole) {
  constexpr int64_t kDepth = 40;
  constexpr int64_t kColumns = 150;
  constexpr int64_t kRows = 20;
  const std::vector<float> x = Values(1, kRows * kDepth);
  const std::vector<float> weight = Values(2, kColumns * kDepth);
  std::vector<float> packed(static_cast<size_t>(PackedSize(kColumns, kDepth)));
  PackPanels(weight.data(), 0, kColumns, kDepth, packed.data());
  for (const Kernels* const kernels : SupportedKernels()) {
    const std::vector<float> product = Multiply(*kernels, x, kRows, weight, kColumns, kDepth);
    const std::vector<float> before = Values(3, kRows * kColumns);
    std::vector<float> y = before;
    for (int64_t panel = 0; panel < 5; ++panel) {
      kernels->multiply(x.data(), kRows, kDepth, packed.data(), panel, panel + 1, kColumns, true,
                        y.data(), kColumns);
    }
    for (size_t i = 0; i < y.size(); ++i) {
      ASSERT_EQ(y[i], before[i] + product[i]) << kernels->name << " " << i;
    }
  }
}

TEST(KernelsTest, AttentionToAWindowIsThatOfDoublePrecision) {
  constexpr int64_t kHeadDim = 20;
  constexpr int64_t kEnd = 45;
  const int64_t stride = RoundUp(kHeadDim, kLanes);
  const std::vector<float> q = Values(1, kHeadDim);
  const std::vector<float> keys = Values(2, RoundUp(kEnd, kLanes) * kHeadDim);
  const std::vector<float> values = Values(3, RoundUp(kEnd, kLanes) * stride);
  const auto key = [&](int64_t position, int64_t d) {
    return keys[position / kLanes * kLanes * kHeadDim + d * kLanes + position % kLanes];
  };
  for (const Kernels* const kernels : SupportedKernels()) {
    for (int64_t first = 0; first < kEnd; ++first) {
      std::vector<float> scratch(static_cast<size_t>(AttentionScratch(kEnd, kHeadDim)));
      std::vector<float> out(kHeadDim);
      const AttentionQuery query = {q.data(), out.data(), first, kEnd};
      kernels->attend(&query, 1, keys.data(), values.data(), kHeadDim, 0.3F, scratch.data());
      double total = 0;
      std::vector<double> expected(kHeadDim);
      for (int64_t position = first; position < kEnd; ++position) {
        double score = 0;
        for (int64_t d = 0; d < kHeadDim; ++d) {
          score += static_cast<double>(q[d]) * key(position, d);
        }
        const double weight = std::exp(0.3 * score);
        total += weight;
        for (int64_t d = 0; d < kHeadDim; ++d) {
          expected[d] += weight * values[position * stride + d];
        }
      }
      for (int64_t d = 0; d < kHeadDim; ++d) {
        EXPECT_NEAR(out[d], expected[d] / total, 1e-5) << "from " << first << ", dimension " << d;
      }
    }
  }
}

TEST(KernelsTest, AttentionOfAQueryIsTheSameBitsAloneAndWithOthers) {
  constexpr int64_t kHeadDim = 40;
  constexpr int64_t kLength = 90;
  constexpr int64_t kQueries = 40;
  const int64_t stride = RoundUp(kHeadDim, kLanes);
  const std::vector<float> q = Values(1, kQueries * kHeadDim);
  std::vector<float> keys = Values(2, RoundUp(kLength, kLanes) * kHeadDim);
  std::vector<float> values = Values(3, RoundUp(kLength, kLanes) * stride);
  // What only the last query sees must not reach the others.
  values[(kLength - 1) * stride + 7] = NAN;
  for (const int64_t window : {1, 5, 30, 90}) {
    std::vector<float> scratch(static_cast<size_t>(AttentionScratch(kLength, kHeadDim)));
    std::vector<float> together(static_cast<size_t>(kQueries * kHeadDim));
    std::vector<float> alone(together.size());
    std::vector<AttentionQuery> queries;
    for (int64_t i = 0; i < kQueries; ++i) {
      const int64_t end = kLength - kQueries + i + 1;
      queries.push_back({q.data() + i * kHeadDim, together.data() + i * kHeadDim,
                         std::max<int64_t>(0, end - window), end});
    }
    for (const Kernels* const kernels : SupportedKernels()) {
      kernels->attend(queries.data(), kQueries, keys.data(), values.data(), kHeadDim, 0.3F,
                      scratch.data());
      for (int64_t i = 0; i < kQueries; ++i) {
        AttentionQuery query = queries[i];
        query.out = alone.data() + i * kHeadDim;
        kernels->attend(&query, 1, keys.data(), values.data(), kHeadDim, 0.3F, scratch.data());
      }
      EXPECT_EQ(0, std::memcmp(alone.data(), together.data(), alone.size() * sizeof(float)))
          << kernels->name << ", window " << window;
      EXPECT_TRUE(std::isfinite(alone[0]));
      EXPECT_TRUE(std::isnan(alone[(kQueries - 1) * kHeadDim + 7]));
    }
  }
}

TEST(KernelsTest, SiluIsThatOfDoublePrecisionAtEveryMagnitude) {
  const std::vector<float> gates = {-200, -90, -80, -20, -1, -1e-6F, 0,   1e-6F, 1,
                                    3,    20,  80,  88,  90, 200,    0.5, 7};
  std::vector<float> x = gates;
  x.insert(x.end(), gates.size(), 1.0F);
  std::vector<float> out(gates.size());
  BestKernels().silu_product(x.data(), 1, static_cast<int64_t>(gates.size()), out.data());
  for (size_t i = 0; i < gates.size(); ++i) {
    const double exact = gates[i] / (1 + std::exp(-static_cast<double>(gates[i])));
    EXPECT_NEAR(out[i], exact, 1e-6 * std::max(1.0, std::abs(exact))) << gates[i];
  }
}

TEST(KernelsTest, LargestIsTheLowestIndexAmongEqualsAndNeverNan) {
  std::vector<float> x(37, 0.0F);
  const auto arg_max = [&] {
    return BestKernels().arg_max(x.data(), static_cast<int64_t>(x.size()));
  };
  EXPECT_EQ(arg_max(), 0);
  x[36] = 5;
  EXPECT_EQ(arg_max(), 36);
  x[20] = 5;
  x[3] = NAN;
  EXPECT_EQ(arg_max(), 20);
  x.assign(x.size(), NAN);
  EXPECT_EQ(arg_max(), 0);
}

TEST(KernelsTest, LogitSumsAreThoseOfDoublePrecision) {
  const std::vector<float> logits = Values(3, 331);
  const LogitSums sums = BestKernels().logit_sums(logits.data(), 331);
  double total = 0;
  double first = 0;
  for (const float logit : logits) {
    const double d = static_cast<double>(logit) - sums.max;
    total += std::exp(d);
    first += std::exp(d) * d;
  }
  EXPECT_NEAR(sums.exp, total, 1e-5 * total);
  EXPECT_NEAR(sums.exp_d, first, 1e-5 * std::abs(first));
}

TEST(KernelsTest, LogitSumsOfNanOrInfinityAreNan) {
  for (const Kernels* const kernels : SupportedKernels()) {
    for (const float bad : {NAN, INFINITY}) {
      std::vector<float> logits = Values(3, 331);
      logits[17] = bad;
      EXPECT_TRUE(std::isnan(kernels->logit_sums(logits.data(), 331).exp)) << bad;
    }
  }
}

TEST(KernelsTest, Avx2AndAvx512GiveTheSameBits) {
  const Kernels* const avx512 = Find("avx512");
  if (avx512 == nullptr) {
    GTEST_SKIP() << "this processor has no AVX-512";
  }
  const std::vector<KernelCase> expected = RunKernelCases(*avx512);
  const std::vector<KernelCase> found = RunKernelCases(*Find("avx2"));
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].results, expected[i].results) << found[i].name;
  }
}

}  // namespace
}  // namespace rwku::engine
