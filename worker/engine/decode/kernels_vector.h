// Vectors of the instruction set that a file is compiled for. Part of kernels_impl.h: everything is
// local to the file that includes it, and no standard header with inline functions is used, so
// that the linker cannot pick a copy built for another processor.
#pragma once

#include "worker/engine/decode/kernels.h"

// NOLINTBEGIN(google-build-namespaces,misc-definitions-in-headers)
#define RWKU_INLINE inline __attribute__((always_inline))
#define RWKU_INLINE_LAMBDA __attribute__((always_inline))

namespace rwku::engine {
namespace {

// The width of a vector, the most rows of a product's tile, and how many vectors of sums may be in
// use at a time: those and what is added to them must fit the registers (32 of 64 bytes, 16 of 32,
// 16 of 16, and 32 of 16).
#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr int kTileRows = 12;
constexpr int kMostSums = 24;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
constexpr int kTileRows = 6;
constexpr int kMostSums = 12;
#elif defined(RWKU_KERNELS_NEON)
constexpr int kVectorBytes = 16;
constexpr int kTileRows = 5;
constexpr int kMostSums = 20;
#else
constexpr int kVectorBytes = 16;
constexpr int kTileRows = 3;
constexpr int kMostSums = 12;
#endif

constexpr int kWidth = kVectorBytes / 4;         // lanes of a vector
constexpr int kParts = kLanes / kWidth;          // vectors of kLanes lanes
constexpr int kBlocks = kPanelColumns / kLanes;  // blocks of kLanes columns of a panel

using Vec = float __attribute__((vector_size(kVectorBytes)));
using IntVec = int32_t __attribute__((vector_size(kVectorBytes)));

RWKU_INLINE Vec Load(const float* from) {
  Vec v;
  __builtin_memcpy(&v, from, sizeof(v));
  return v;
}

RWKU_INLINE void Store(float* to, const Vec& v) { __builtin_memcpy(to, &v, sizeof(v)); }

RWKU_INLINE Vec Splat(float value) { return Vec{} + value; }

// The first `count` lanes; the others are `rest`.
RWKU_INLINE Vec LoadPart(const float* from, int64_t count, float rest) {
  if (count >= kWidth) {
    return Load(from);
  }
  Vec v = Splat(rest);
  for (int64_t i = 0; i < count; ++i) {
    v[i] = from[i];
  }
  return v;
}

RWKU_INLINE void StorePart(float* to, const Vec& v, int64_t count) {
  if (count >= kWidth) {
    Store(to, v);
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    to[i] = v[i];
  }
}

RWKU_INLINE Vec Max(const Vec& a, const Vec& b) { return a > b ? a : b; }

// kLanes lanes in as many vectors as that takes. What sums over lanes does so over these, in one
// order for every width of vectors.
struct Wide {
  Vec part[kParts];
};

RWKU_INLINE Wide SplatWide(float value) {
  Wide wide;
  for (Vec& part : wide.part) {
    part = Splat(value);
  }
  return wide;
}

// Where kLanes elements of x from `at` on lie: in x, or, where it has fewer, in `buffer`, followed
// by `rest`. (A choice between vectors in place of places would let the compiler fuse a product and
// a sum in one build and not in another.)
RWKU_INLINE const float* WideAt(const float* x, int64_t at, int64_t size, float rest,
                                float* buffer) {
  if (at + kLanes <= size) {
    return x + at;
  }
  for (int64_t i = 0; i < kLanes; ++i) {
    buffer[i] = at + i < size ? x[at + i] : rest;
  }
  return buffer;
}

RWKU_INLINE float SumLanes(const Wide& wide) {
  float v[kLanes];
  __builtin_memcpy(v, &wide, sizeof(v));
  float part[8];
  for (int i = 0; i < 8; ++i) {
    part[i] = v[i] + v[i + 8];
  }
  return ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
}

RWKU_INLINE float MaxLanes(const Wide& wide) {
  float v[kLanes];
  __builtin_memcpy(v, &wide, sizeof(v));
  float max = v[0];
  for (int i = 1; i < kLanes; ++i) {
    max = v[i] > max ? v[i] : max;
  }
  return max;
}

// e^x to about 1 ulp for x in [-87, 88], clamped outside: x = n ln 2 + r, and the polynomial of
// Cephes' expf in r.
RWKU_INLINE Vec Exp(Vec x) {
  constexpr float kLog2E = 1.44269504088896341F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to a whole number
  x = x > Splat(88.0F) ? Splat(88.0F) : x;
  const auto vanishes = x < Splat(-87.0F);
  x = vanishes ? Splat(-87.0F) : x;
  const Vec shifted = x * kLog2E + kRound;
  const Vec n = shifted - kRound;
  Vec r = x - n * kLn2High;
  r = r - n * kLn2Low;
  Vec p = Splat(1.9875691500e-4F);
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  const IntVec exponent = (__builtin_convertvector(n, IntVec) + 127) << 23;
  Vec power;
  __builtin_memcpy(&power, &exponent, sizeof(power));
  const Vec result = p * power;
  return vanishes ? Vec{} : result;
}

// sums[r][v] += x[r][i] * weight(i, v) for i = 0 to depth - 1, in this order: one chain of
// additions for each sum.
template <int kRows, int kVecs, typename Weight>
RWKU_INLINE void AddProducts(const float* x, int64_t x_stride, int64_t depth, const Weight& weight,
                             Vec (&sums)[kRows][kVecs]) {
  for (int64_t i = 0; i < depth; ++i) {
    Vec w[kVecs];
    for (int v = 0; v < kVecs; ++v) {
      w[v] = weight(i, v);
    }
    for (int r = 0; r < kRows; ++r) {
      const float value = x[r * x_stride + i];
      for (int v = 0; v < kVecs; ++v) {
        sums[r][v] += value * w[v];
      }
    }
  }
}

// How many blocks of kLanes columns a tile of so many rows takes: a power of two.
constexpr int BlocksOfTile(int rows) {
  int blocks = 8;
  while (blocks > 1 && rows * blocks * kParts > kMostSums) {
    blocks /= 2;
  }
  return blocks;
}

// Calls with_rows<rows>() where 1 <= rows <= kTileRows.
template <int kRows = kTileRows, typename Function>
RWKU_INLINE void WithRows(int64_t rows, const Function& function) {
  if constexpr (kRows > 0) {
    if (rows == kRows) {
      function.template operator()<kRows>();
    } else {
      WithRows<kRows - 1>(rows, function);
    }
  }
}

}  // namespace
}  // namespace rwku::engine
// NOLINTEND(google-build-namespaces,misc-definitions-in-headers)
