// Our kernels, run by the emulation under AddressSanitizer and UndefinedBehaviorSanitizer, against
// plain arithmetic in float64.
#include "worker/engine/cuda/kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/cuda/emulation.h"

namespace rwku::engine::cuda {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

float Round(float x, NumberType type) {
  return type == NumberType::kFloat32 ? x : __bfloat162float(__float2bfloat16_rn(x));
}

// Numbers of either type in memory of exactly their size, that begins `shift` elements after an
// address which every vector may have.
class Numbers {
 public:
  Numbers(NumberType type, const std::vector<float>& values, size_t shift = 0)
      : type_(type),
        size_(values.size()),
        shift_(shift),
        memory_((shift + size_) * ElementBytes()) {
    for (size_t i = 0; i < size_; ++i) {
      Set(i, values[i]);
    }
  }

  void* data() { return memory_.data() + shift_ * ElementBytes(); }
  size_t size() const { return size_; }

  void Set(size_t i, float x) {
    if (type_ == NumberType::kFloat32) {
      static_cast<float*>(data())[i] = x;
    } else {
      static_cast<__nv_bfloat16*>(data())[i] = __float2bfloat16_rn(x);
    }
  }
  float operator[](size_t i) {
    return type_ == NumberType::kFloat32 ? static_cast<float*>(data())[i]
                                         : __bfloat162float(static_cast<__nv_bfloat16*>(data())[i]);
  }

 private:
  size_t ElementBytes() const { return type_ == NumberType::kFloat32 ? 4 : 2; }

  NumberType type_;
  size_t size_;
  size_t shift_;
  std::vector<unsigned char> memory_;
};

std::vector<float> Random(size_t size, uint32_t seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(size);
  std::generate(values.begin(), values.end(), [&] { return normal(random); });
  return values;
}

class KernelsTest : public testing::Test {
 protected:
  void TearDown() override { emulation::SetOrder(emulation::Order::kAscending); }
};

constexpr emulation::Order kOrders[] = {emulation::Order::kAscending, emulation::Order::kDescending,
                                        emulation::Order::kShuffled};

TEST_F(KernelsTest, Bfloat16IsRoundedToTheNearestAndOfTwoToTheEvenOne) {
  const auto bits = [](uint32_t x) { return __float2bfloat16_rn(std::bit_cast<float>(x)).bits; };
  EXPECT_EQ(bits(0x3f800000), 0x3f80);
  EXPECT_EQ(bits(0x3f808000), 0x3f80);
  EXPECT_EQ(bits(0x3f808001), 0x3f81);
  EXPECT_EQ(bits(0x3f818000), 0x3f82);
  EXPECT_EQ(bits(0x7f7fffff), 0x7f80);
  EXPECT_EQ(bits(0xff800000), 0xff80);
  EXPECT_EQ(bits(0xffc00001), 0x7fff);
}

struct AdamWCase {
  NumberType gradient;
  bool has_copy;
  NumberType copy;
  size_t size;
  size_t shift;
};

void CheckAdamW(const AdamWCase& c) {
  SCOPED_TRACE(testing::Message() << "size " << c.size << ", shift " << c.shift);
  const std::vector<float> w = Random(c.size, 1);
  const std::vector<float> m = Random(c.size, 2, 0.1F);
  std::vector<float> v = Random(c.size, 3, 0.01F);
  for (float& x : v) {
    x *= x;
  }
  Numbers master(NumberType::kFloat32, w, c.shift);
  Numbers first(NumberType::kFloat32, m, c.shift);
  Numbers second(NumberType::kFloat32, v, c.shift);
  Numbers gradient(c.gradient, Random(c.size, 4), c.shift);
  Numbers copy(c.copy, std::vector<float>(c.size), c.shift);
  const double rate = 1e-2;
  const double decay = 0.1;
  const double scale = 0.5;
  const double step_size = rate / (1 - std::pow(0.9, 3));
  const double root = std::sqrt(1 - std::pow(0.999, 3));
  MixedAdamWArguments a;
  a.master = static_cast<float*>(master.data());
  a.m = static_cast<float*>(first.data());
  a.v = static_cast<float*>(second.data());
  a.gradient = gradient.data();
  a.gradient_type = c.gradient;
  a.compute_copy = c.has_copy ? copy.data() : nullptr;
  a.compute_copy_type = c.copy;
  a.size = static_cast<int64_t>(c.size);
  a.gradient_scale = static_cast<float>(scale);
  a.kept = static_cast<float>(1 - rate * decay);
  a.one_minus_beta1 = static_cast<float>(1 - 0.9);
  a.beta2 = static_cast<float>(0.999);
  a.one_minus_beta2 = static_cast<float>(1 - 0.999);
  a.step_size = static_cast<float>(step_size);
  a.inverse_root_correction = static_cast<float>(1 / root);
  a.epsilon = 1e-8F;
  StartMixedAdamW(a, nullptr);
  for (size_t i = 0; i < c.size; ++i) {
    const double g = gradient[i] * scale;
    const double new_m = m[i] + 0.1 * (g - m[i]);
    const double new_v = 0.999 * v[i] + 0.001 * g * g;
    const double update = step_size * new_m / (std::sqrt(new_v) / root + 1e-8);
    const double new_w = w[i] * (1 - rate * decay) - update;
    ASSERT_NEAR(first[i], new_m, 1e-6 * (std::abs(m[i]) + std::abs(g))) << i;
    ASSERT_NEAR(second[i], new_v, 1e-6 * new_v) << i;
    ASSERT_NEAR(master[i], new_w, 1e-6 * (std::abs(w[i]) + std::abs(update))) << i;
    ASSERT_EQ(copy[i], c.has_copy ? Round(master[i], c.copy) : 0) << i;
  }
}

TEST_F(KernelsTest, AStepOfAdamWIsThatOfItsFormula) {
  using enum NumberType;
  for (const size_t size : {0, 1, 3, 4, 5, 1023, 1024, 1025, 2051}) {
    for (const size_t shift : {0, 1, 2, 4}) {
      for (const NumberType gradient : {kFloat32, kBfloat16}) {
        CheckAdamW({gradient, false, kFloat32, size, shift});
        CheckAdamW({gradient, true, kFloat32, size, shift});
        CheckAdamW({gradient, true, kBfloat16, size, shift});
      }
    }
  }
}

TEST_F(KernelsTest, AStepWithAnElementThatIsNotFiniteLeavesTheOthersAlone) {
  const auto run = [](float third) {
    std::vector<float> master = {1, 2, 3, 4};
    std::vector<float> m(4);
    std::vector<float> v(4);
    std::vector<float> gradient = {0.1F, 0.2F, third, 0.4F};
    MixedAdamWArguments a;
    a.master = master.data();
    a.m = m.data();
    a.v = v.data();
    a.gradient = gradient.data();
    a.size = 4;
    a.one_minus_beta1 = 0.1F;
    a.beta2 = 0.999F;
    a.one_minus_beta2 = 0.001F;
    a.step_size = 0.01F;
    a.inverse_root_correction = 1;
    a.epsilon = 1e-8F;
    StartMixedAdamW(a, nullptr);
    return master;
  };
  const std::vector<float> clean = run(0.3F);
  for (const float bad : {kNan, kInfinity}) {
    const std::vector<float> hit = run(bad);
    EXPECT_TRUE(std::isnan(hit[2]));
    EXPECT_EQ(hit[0], clean[0]);
    EXPECT_EQ(hit[1], clean[1]);
    EXPECT_EQ(hit[3], clean[3]);
  }
}

double SquaredNormOf(Numbers& x, NumberType type) {
  std::vector<double> partials(
      static_cast<size_t>(SquaredNormPartials(static_cast<int64_t>(x.size()))), -1);
  StartPartialSquaredNorms(x.data(), type, static_cast<int64_t>(x.size()), partials.data(),
                           nullptr);
  double sum = -1;
  StartSum(partials.data(), static_cast<int64_t>(partials.size()), &sum, nullptr);
  return sum;
}

TEST_F(KernelsTest, TheSquaredNormIsTheSameInEveryOrderOfThreadsAndAtEveryAddress) {
  for (const NumberType type : {NumberType::kFloat32, NumberType::kBfloat16}) {
    for (const size_t size : {1, 7, 1000, 65537}) {
      const std::vector<float> values = Random(size, 5);
      double expected = 0;
      for (const float x : values) {
        expected += static_cast<double>(Round(x, type)) * Round(x, type);
      }
      Numbers first(type, values);
      const double sum = SquaredNormOf(first, type);
      EXPECT_NEAR(sum, expected, 1e-12 * expected) << size;
      for (const emulation::Order order : kOrders) {
        emulation::SetOrder(order);
        for (const size_t shift : {0, 1}) {
          Numbers x(type, values, shift);
          EXPECT_EQ(SquaredNormOf(x, type), sum) << size;
        }
      }
      emulation::SetOrder(emulation::Order::kAscending);
    }
  }
}

TEST_F(KernelsTest, TheSquaredNormSaysWhereAnElementIsNotFinite) {
  Numbers x(NumberType::kBfloat16, std::vector<float>(300, 1));
  x.Set(299, kInfinity);
  EXPECT_EQ(SquaredNormOf(x, NumberType::kBfloat16), kInfinity);
  x.Set(5, kNan);
  EXPECT_TRUE(std::isnan(SquaredNormOf(x, NumberType::kBfloat16)));
}

TEST_F(KernelsTest, ManyPartialSumsAreSummed) {
  const std::vector<double> partials(1001, 0.5);
  double sum = 0;
  StartSum(partials.data(), 1001, &sum, nullptr);
  EXPECT_EQ(sum, 500.5);
}

struct RotateCase {
  NumberType type;
  int tokens;
  int heads;
  int kv_heads;
  int dim;
  bool is_one_product;  // q, k and v of one row
};

void CheckRotate(const RotateCase& c) {
  SCOPED_TRACE(testing::Message() << c.tokens << " tokens, " << c.heads << " heads, " << c.kv_heads
                                  << " kv heads, dim " << c.dim << ", " << c.is_one_product);
  constexpr int kPositions = 11;
  const int q_width = c.heads * c.dim;
  const int kv_width = c.kv_heads * c.dim;
  const int width = q_width + 2 * kv_width;
  const auto numbers = [&](int columns, uint32_t seed) {
    return Numbers(c.type, Random(static_cast<size_t>(c.tokens * columns), seed));
  };
  Numbers product = numbers(width, 6);
  Numbers q = numbers(q_width, 7);
  Numbers k = numbers(kv_width, 8);
  Numbers v = numbers(kv_width, 9);
  // Of token t: where element i is kept.
  struct Part {
    Numbers* numbers;
    size_t offset;
    size_t stride;
    float At(int t, int i) const {
      return (*numbers)[offset + static_cast<size_t>(t) * stride + static_cast<size_t>(i)];
    }
  };
  const auto part = [&](Numbers& alone, int offset, int columns) {
    return c.is_one_product
               ? Part{&product, static_cast<size_t>(offset), static_cast<size_t>(width)}
               : Part{&alone, 0, static_cast<size_t>(columns)};
  };
  const Part parts[] = {part(q, 0, q_width), part(k, q_width, kv_width),
                        part(v, q_width + kv_width, kv_width)};
  const auto at = [&](const Part& p) {
    return static_cast<char*>(p.numbers->data()) +
           p.offset * (c.type == NumberType::kFloat32 ? 4 : 2);
  };
  std::vector<float> cos(static_cast<size_t>(kPositions * c.dim / 2));
  std::vector<float> sin(cos.size());
  for (size_t i = 0; i < cos.size(); ++i) {
    cos[i] = std::cos(0.1F * static_cast<float>(i));
    sin[i] = std::sin(0.1F * static_cast<float>(i));
  }
  std::vector<int64_t> positions;
  std::vector<int64_t> slots;
  for (int t = 0; t < c.tokens; ++t) {
    positions.push_back(t * 7 % kPositions);
    slots.push_back(c.tokens - t);
  }
  const int arena = c.tokens + 1;
  Numbers keys(c.type, std::vector<float>(static_cast<size_t>(arena * kv_width), 99));
  Numbers values(c.type, std::vector<float>(static_cast<size_t>(arena * kv_width), 99));
  std::vector<std::vector<float>> before(static_cast<size_t>(c.tokens));
  for (int t = 0; t < c.tokens; ++t) {
    for (int i = 0; i < width; ++i) {
      before[static_cast<size_t>(t)].push_back(i < q_width ? parts[0].At(t, i)
                                               : i < q_width + kv_width
                                                   ? parts[1].At(t, i - q_width)
                                                   : parts[2].At(t, i - q_width - kv_width));
    }
  }
  RotateAndAppendArguments a;
  a.type = c.type;
  a.q = at(parts[0]);
  a.k = at(parts[1]);
  a.v = at(parts[2]);
  a.q_stride = static_cast<int64_t>(parts[0].stride);
  a.k_stride = static_cast<int64_t>(parts[1].stride);
  a.v_stride = static_cast<int64_t>(parts[2].stride);
  a.positions = positions.data();
  a.cos = cos.data();
  a.sin = sin.data();
  a.table_size = kPositions;
  a.slots = slots.data();
  a.keys = keys.data();
  a.values = values.data();
  a.arena_size = arena;
  a.tokens = c.tokens;
  a.heads = c.heads;
  a.kv_heads = c.kv_heads;
  a.dim = c.dim;
  StartRotateAndAppend(a, nullptr);

  const double tolerance = c.type == NumberType::kFloat32 ? 1e-6 : 0.012;
  std::vector<bool> is_used(static_cast<size_t>(arena));
  for (int t = 0; t < c.tokens; ++t) {
    const std::vector<float>& row = before[static_cast<size_t>(t)];
    for (int i = 0; i < q_width + kv_width; ++i) {
      const int in_head = i % c.dim;
      const int half = c.dim / 2;
      const auto angle =
          static_cast<size_t>(positions[static_cast<size_t>(t)] * half + in_head % half);
      const double own = row[static_cast<size_t>(i)];
      const double other = row[static_cast<size_t>(in_head < half ? i + half : i - half)];
      const double expected = own * cos[angle] + (in_head < half ? -other : other) * sin[angle];
      const float actual = i < q_width ? parts[0].At(t, i) : parts[1].At(t, i - q_width);
      ASSERT_NEAR(actual, expected, tolerance * (std::abs(own) + std::abs(other))) << t << " " << i;
    }
    const int64_t slot = slots[static_cast<size_t>(t)];
    for (int i = 0; i < kv_width; ++i) {
      ASSERT_EQ(parts[2].At(t, i), row[static_cast<size_t>(q_width + kv_width + i)]);
      const auto stored = static_cast<size_t>(slot * kv_width + i);
      is_used[static_cast<size_t>(slot)] = true;
      ASSERT_EQ(keys[stored], parts[1].At(t, i));
      ASSERT_EQ(values[stored], parts[2].At(t, i));
    }
  }
  for (int slot = 0; slot < arena; ++slot) {
    for (int i = 0; i < kv_width && !is_used[static_cast<size_t>(slot)]; ++i) {
      ASSERT_EQ(keys[static_cast<size_t>(slot * kv_width + i)], 99);
      ASSERT_EQ(values[static_cast<size_t>(slot * kv_width + i)], 99);
    }
  }
}

TEST_F(KernelsTest, TokensAreRotatedInPlaceAndStoredInTheirSlots) {
  for (const emulation::Order order : kOrders) {
    emulation::SetOrder(order);
    for (const NumberType type : {NumberType::kFloat32, NumberType::kBfloat16}) {
      CheckRotate({type, 1, 32, 8, 128, true});
      for (const bool is_one_product : {false, true}) {
        CheckRotate({type, 0, 1, 1, 2, is_one_product});
        CheckRotate({type, 1, 1, 1, 2, is_one_product});
        CheckRotate({type, 5, 3, 1, 6, is_one_product});
        CheckRotate({type, 4, 9, 3, 64, is_one_product});
      }
    }
  }
}

TEST_F(KernelsTest, APositionOrASlotBeyondItsTableTraps) {
  std::vector<float> x(2, 1);
  const std::vector<float> table(3, 1);
  std::vector<float> arena(4);
  const auto run = [&](int64_t position, int64_t slot) {
    RotateAndAppendArguments a;
    a.q = x.data();
    a.k = x.data();
    a.v = x.data();
    a.positions = &position;
    a.cos = table.data();
    a.sin = table.data();
    a.table_size = 3;
    a.slots = &slot;
    a.keys = arena.data();
    a.values = arena.data();
    a.arena_size = 2;
    a.tokens = 1;
    a.kv_heads = 1;
    a.dim = 2;
    StartRotateAndAppend(a, nullptr);
  };
  run(2, 1);
  EXPECT_THROW(run(3, 1), emulation::Fault);
  EXPECT_THROW(run(-1, 1), emulation::Fault);
  EXPECT_THROW(run(2, 2), emulation::Fault);
}

struct Summary {
  std::vector<float> sums;
  std::vector<int64_t> arg_max;
};

Summary Summarize(Numbers& logits, NumberType type, int64_t rows, int64_t stride, int columns) {
  Summary summary{std::vector<float>(static_cast<size_t>(rows) * 4, -1),
                  std::vector<int64_t>(static_cast<size_t>(rows), -1)};
  StartSummarizeLogits(logits.data(), type, rows, stride, columns, summary.sums.data(),
                       summary.arg_max.data(), nullptr);
  return summary;
}

TEST_F(KernelsTest, LogitsAreSummarizedAsTheirProbabilitiesSay) {
  for (const NumberType type : {NumberType::kFloat32, NumberType::kBfloat16}) {
    for (const int columns : {1, 9, 513, 4099}) {
      for (const int padding : {0, 1}) {
        constexpr int kRows = 2;
        const int stride = columns + padding;
        // The last row has no padding after it.
        Numbers logits(type, Random(static_cast<size_t>(stride * (kRows - 1) + columns), 10, 6));
        const Summary summary = Summarize(logits, type, kRows, stride, columns);
        for (int r = 0; r < kRows; ++r) {
          const auto at = [&](int c) { return logits[static_cast<size_t>(r * stride + c)]; };
          int best = 0;
          for (int c = 1; c < columns; ++c) {
            best = at(c) > at(best) ? c : best;
          }
          double exp = 0;
          double exp_d = 0;
          double exp_d_squared = 0;
          for (int c = 0; c < columns; ++c) {
            const double d = static_cast<double>(at(c)) - at(best);
            exp += std::exp(d);
            exp_d += std::exp(d) * d;
            exp_d_squared += std::exp(d) * d * d;
          }
          const float* const sums = summary.sums.data() + r * 4;
          ASSERT_EQ(summary.arg_max[static_cast<size_t>(r)], best) << columns;
          ASSERT_EQ(sums[0], at(best)) << columns;
          ASSERT_NEAR(sums[1], exp, 2e-6 * exp) << columns;
          ASSERT_NEAR(sums[2], exp_d, 4e-6 * std::abs(exp_d) + 1e-9) << columns;
          ASSERT_NEAR(sums[3], exp_d_squared, 4e-6 * exp_d_squared + 1e-9) << columns;
        }
      }
    }
  }
}

TEST_F(KernelsTest, ARowIsSummarizedToTheSameBitsAloneAmongOthersAndInEveryOrderOfThreads) {
  constexpr int kRows = 3;
  for (const int columns : {777}) {  // odd: rows begin at every alignment
    const std::vector<float> values = Random(static_cast<size_t>(kRows * columns), 11, 5);
    Numbers all(NumberType::kBfloat16, values);
    const Summary together = Summarize(all, NumberType::kBfloat16, kRows, columns, columns);
    for (const emulation::Order order : kOrders) {
      emulation::SetOrder(order);
      for (int r = 0; r < kRows; ++r) {
        Numbers row(NumberType::kBfloat16,
                    {values.begin() + r * columns, values.begin() + (r + 1) * columns});
        const Summary alone = Summarize(row, NumberType::kBfloat16, 1, columns, columns);
        EXPECT_EQ(alone.arg_max[0], together.arg_max[static_cast<size_t>(r)]);
        for (int i = 0; i < 4; ++i) {
          EXPECT_EQ(alone.sums[static_cast<size_t>(i)],
                    together.sums[static_cast<size_t>(r * 4 + i)]);
        }
      }
    }
    emulation::SetOrder(emulation::Order::kAscending);
  }
}

TEST_F(KernelsTest, TheLowestOfEqualLogitsIsTheArgMaxWhereverTheyLie) {
  for (const auto& [first, second] : {std::pair{3, 4}, {0, 5000}, {4000, 4097}, {250, 4346}}) {
    Numbers logits(NumberType::kFloat32, std::vector<float>(5002, -1));
    logits.Set(static_cast<size_t>(first), 2);
    logits.Set(static_cast<size_t>(second), 2);
    EXPECT_EQ(Summarize(logits, NumberType::kFloat32, 1, 5002, 5002).arg_max[0], first);
  }
}

TEST_F(KernelsTest, LogitsThatAreNotFiniteAreKnown) {
  struct Case {
    std::vector<std::pair<size_t, float>> set;  // over the background
    float background;
    float max;
    int64_t arg_max;
    bool is_nan;
  };
  const std::vector<Case> cases = {
      {{{40, kNan}, {700, 5}}, 0, 5, 700, true},
      {{{40, kInfinity}, {700, kInfinity}}, 0, kInfinity, 40, true},
      {{}, -kInfinity, -kInfinity, 0, true},
      {{}, kNan, -kInfinity, 0, true},
      {{{699, -3}}, -kInfinity, -3, 699, false},
      {{{9, -kInfinity}, {10, 1}}, 0, 1, 10, false},
      {{{9, 3e38F}, {10, -3e38F}}, 0, 3e38F, 9, false},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    Numbers logits(NumberType::kFloat32, std::vector<float>(701, c.background));
    for (const auto& [index, value] : c.set) {
      logits.Set(index, value);
    }
    const Summary summary = Summarize(logits, NumberType::kFloat32, 1, 701, 701);
    EXPECT_EQ(summary.sums[0], c.max) << i;
    EXPECT_EQ(summary.arg_max[0], c.arg_max) << i;
    EXPECT_EQ(std::isnan(summary.sums[1]), c.is_nan) << i;
    if (!c.is_nan) {
      EXPECT_TRUE(std::isfinite(summary.sums[2]) && std::isfinite(summary.sums[3])) << i;
    }
  }
  // One certain logit among impossible ones.
  Numbers certain(NumberType::kFloat32, std::vector<float>(701, -kInfinity));
  certain.Set(300, -2);
  const Summary summary = Summarize(certain, NumberType::kFloat32, 1, 701, 701);
  EXPECT_EQ(summary.sums[1], 1);
  EXPECT_NEAR(summary.sums[2], 0, 1e-30);
  EXPECT_NEAR(summary.sums[3], 0, 1e-30);
}

}  // namespace
}  // namespace rwku::engine::cuda
