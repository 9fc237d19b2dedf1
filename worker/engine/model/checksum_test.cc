#include "worker/engine/model/checksum.h"

#include <cstdint>
#include <cstring>
#include <set>
#include <string>

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace rwku::engine {
namespace {

// Longer than a chunk, and no multiple of one.
constexpr int64_t kSize = 100003;

at::Tensor Values() { return at::arange(kSize, at::kFloat); }

std::string Checksum(const at::Tensor& tensor) { return WeightsChecksum({{"w", tensor}}); }

// Adds to the bits of one element.
void AddToBits(at::Tensor& tensor, int64_t index, uint32_t amount) {
  auto* const value = tensor.mutable_data_ptr<float>() + index;
  uint32_t bits = 0;
  std::memcpy(&bits, value, sizeof(bits));
  bits += amount;
  std::memcpy(value, &bits, sizeof(bits));
}

TEST(ChecksumTest, EqualBitsGiveEqualChecksumsInAnyLayout) {
  const at::Tensor matrix = at::arange(12, at::kFloat).view({3, 4});
  EXPECT_EQ(Checksum(matrix), Checksum(matrix.clone()));
  EXPECT_EQ(Checksum(matrix.t()), Checksum(matrix.t().contiguous()));
  EXPECT_NE(Checksum(matrix), Checksum(matrix.t()));
}

TEST(ChecksumTest, EveryChangeShows) {
  std::set<std::string> checksums = {Checksum(Values())};
  const auto is_new = [&](const at::Tensor& tensor) {
    return checksums.insert(Checksum(tensor)).second;
  };
  for (const int64_t index : {int64_t{0}, int64_t{1}, kSize / 2, kSize - 1}) {
    at::Tensor changed = Values();
    AddToBits(changed, index, 1);
    EXPECT_TRUE(is_new(changed)) << index;
  }
  at::Tensor swapped = Values();
  swapped[3].fill_(70000);
  swapped[70000].fill_(3);
  EXPECT_TRUE(is_new(swapped)) << "two elements exchanged";
  EXPECT_TRUE(is_new(Values().narrow(0, 0, kSize - 1))) << "one element less";
  EXPECT_TRUE(checksums.insert(WeightsChecksum({{"v", Values()}})).second) << "another name";
}

TEST(ChecksumTest, ChangesThatCompensateInAWeightedSumShow) {
  // Elements 0 and 1 have the weights 1 and 3 in sum (2 i + 1) bits_i.
  at::Tensor changed = at::arange(8, at::kFloat).add_(1);
  const std::string before = Checksum(changed);
  AddToBits(changed, 0, 3);
  AddToBits(changed, 1, static_cast<uint32_t>(-1));
  EXPECT_NE(Checksum(changed), before);
}

TEST(ChecksumTest, ANarrowDtypeThatHoldsTheSameNumbersHasTheSameChecksum) {
  const at::Tensor narrow = Values().to(at::kBFloat16);
  EXPECT_EQ(Checksum(narrow), Checksum(narrow.to(at::kFloat)));
  EXPECT_NE(Checksum(narrow), Checksum(Values()));
}

TEST(ChecksumTest, MinusZeroIsNotZero) {
  const at::Tensor zeros = at::zeros({5}, at::kFloat);
  at::Tensor other = zeros.clone();
  other[4].fill_(-0.0);
  EXPECT_NE(Checksum(other), Checksum(zeros));
}

}  // namespace
}  // namespace rwku::engine
