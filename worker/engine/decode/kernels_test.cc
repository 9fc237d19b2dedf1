#include "worker/engine/decode/kernels.h"

#include <cmath>
#include <cstring>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

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
  PackPanels(weight.data(), columns, depth, packed.data());
  std::vector<float> y(static_cast<size_t>(rows * columns));
  kernels.multiply(x.data(), rows, depth, packed.data(), 0,
                   RoundUp(columns, kPanelColumns) / kPanelColumns, columns, false, y.data(),
                   columns);
  return y;
}

TEST(KernelsTest, ProductOfARowIsTheSameBitsInEveryNumberOfRows) {
  constexpr int64_t kDepth = 77;
  constexpr int64_t kColumns = 150;
  constexpr int64_t kRows = 19;
  const std::vector<float> x = Values(1, kRows * kDepth);
  const std::vector<float> weight = Values(2, kColumns * kDepth);
  const Kernels& kernels = BestKernels();
  const std::vector<float> all = Multiply(kernels, x, kRows, weight, kColumns, kDepth);
  for (int64_t rows = 1; rows < kRows; ++rows) {
    const std::vector<float> some = Multiply(kernels, x, rows, weight, kColumns, kDepth);
    EXPECT_EQ(0, std::memcmp(some.data(), all.data(), some.size() * sizeof(float))) << rows;
  }
}

TEST(KernelsTest, ProductIsThatOfDoublePrecision) {
  constexpr int64_t kDepth = 65;
  constexpr int64_t kColumns = 33;
  const std::vector<float> x = Values(1, kDepth);
  const std::vector<float> weight = Values(2, kColumns * kDepth);
  const std::vector<float> y = Multiply(BestKernels(), x, 1, weight, kColumns, kDepth);
  for (int64_t c = 0; c < kColumns; ++c) {
    double sum = 0;
    for (int64_t i = 0; i < kDepth; ++i) {
      sum += static_cast<double>(x[i]) * weight[c * kDepth + i];
    }
    EXPECT_NEAR(y[c], sum, 1e-5);
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
  for (const Kernels* const kernels : {&PortableKernels(), &BestKernels()}) {
    for (int64_t first = 0; first < kEnd; ++first) {
      std::vector<float> scores(RoundUp(kEnd, kLanes));
      std::vector<float> out(kHeadDim);
      kernels->attend(q.data(), keys.data(), values.data(), first, kEnd, kHeadDim, 0.3F,
                      scores.data(), out.data());
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
  for (const Kernels* const kernels : {&PortableKernels(), &BestKernels()}) {
    for (const float bad : {NAN, INFINITY}) {
      std::vector<float> logits = Values(3, 331);
      logits[17] = bad;
      EXPECT_TRUE(std::isnan(kernels->logit_sums(logits.data(), 331).exp)) << bad;
    }
  }
}

TEST(KernelsTest, Avx2AndAvx512GiveTheSameBits) {
  if (!ProcessorHasAvx512()) {
    GTEST_SKIP() << "this processor has no AVX-512";
  }
  constexpr int64_t kDepth = 50;
  constexpr int64_t kLength = 45;
  const std::vector<float> x = Values(1, 11 * kDepth);
  const std::vector<float> weight = Values(2, 70 * kDepth);
  EXPECT_EQ(Multiply(Avx2Kernels(), x, 11, weight, 70, kDepth),
            Multiply(Avx512Kernels(), x, 11, weight, 70, kDepth));
  const std::vector<float> cache = Values(3, RoundUp(kLength, kLanes) * RoundUp(kDepth, kLanes));
  const auto run = [&](const Kernels& kernels) {
    std::vector<float> scores(64);
    std::vector<float> out(kDepth * 4);
    std::vector<float> attended;
    for (const int64_t first : {0, 1, 15, 16, 18, 44}) {
      kernels.attend(x.data(), cache.data(), cache.data(), first, kLength, kDepth, 0.2F,
                     scores.data(), out.data());
      attended.insert(attended.end(), out.begin(), out.begin() + kDepth);
    }
    kernels.rms_norm(x.data(), x.data() + kDepth, 1e-5F, 1, kDepth, out.data() + kDepth);
    kernels.silu_product(x.data(), 1, kDepth, out.data() + 2 * kDepth);
    const LogitSums sums = kernels.logit_sums(x.data(), 11 * kDepth);
    out[3 * kDepth] = sums.exp;
    out[3 * kDepth + 1] = sums.exp_d;
    out[3 * kDepth + 2] = sums.exp_d_squared;
    out.insert(out.end(), attended.begin(), attended.end());
    return out;
  };
  EXPECT_EQ(run(Avx2Kernels()), run(Avx512Kernels()));
}

}  // namespace
}  // namespace rwku::engine
