#include "base/random.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include "absl/strings/string_view.h"

namespace rwku {
namespace {

constexpr uint64_t kGolden = 0x9E3779B97F4A7C15ULL;

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

Random::Random(uint64_t seed, absl::string_view name) : key_(Mix(seed + kGolden)) {
  for (const char c : name) {
    key_ = Mix(key_ ^ (static_cast<unsigned char>(c) + kGolden));
  }
}

uint64_t Random::Next() { return Mix(key_ + kGolden * ++counter_); }

uint64_t Random::Below(uint64_t bound) {
  const uint64_t threshold = -bound % bound;  // 2^64 mod bound: values below it would be favoured
  uint64_t value = Next();
  while (value < threshold) {
    value = Next();
  }
  return value % bound;
}

double Random::Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

double Random::Normal() {
  const double u = 1.0 - Uniform();  // in (0, 1]: log is finite
  const double v = Uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

std::vector<int> EpochOrder(uint64_t seed, int epoch, int count) {
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  Random random(seed + static_cast<uint64_t>(epoch) * kGolden, "epoch order");
  random.Shuffle(order);
  return order;
}

}  // namespace rwku
