// Attention over a key-value cache. Part of kernels_impl.h.
#pragma once

#include <cstddef>

#include "worker/engine/decode/kernels.h"
#include "worker/engine/decode/kernels_vector.h"

// NOLINTBEGIN(google-build-namespaces,misc-definitions-in-headers)
namespace rwku::engine {
namespace {

// Scores of kRows queries [kRows][head_dim] and the blocks of positions [begin, end), multiples of
// kLanes. Rows of scores are `stride` apart, and their column 0 is position `begin`.
template <int kRows>
RWKU_INLINE void ScorePositions(const float* q, const float* keys, int64_t begin, int64_t end,
                                int64_t head_dim, float scale, float* scores, int64_t stride) {
  int64_t position = begin;
  const auto run = [&]<int kCount>() RWKU_INLINE_LAMBDA {
    const float* const blocks = keys + position * head_dim;
    Vec sums[kRows][kCount * kParts] = {};
    AddProducts(
        q, head_dim, head_dim,
        [&](int64_t i, int v) RWKU_INLINE_LAMBDA {
          return Load(blocks + (v / kParts * head_dim + i) * kLanes + v % kParts * kWidth);
        },
        sums);
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kCount * kParts; ++v) {
        Store(scores + r * stride + position - begin + v * kWidth, sums[r][v] * scale);
      }
    }
    position += kCount * kLanes;
  };
  constexpr int kCount = BlocksOfTile(kRows);
  while (position + kCount * kLanes <= end) {
    run.template operator()<kCount>();
  }
  while (position < end) {
    run.template operator()<1>();
  }
}

// Turns the scores of the positions [first, end) into e^(score - max) and returns their sum; those
// of the blocks at either edge that lie outside become 0. scores[0] is that of a multiple of
// kLanes, as are the positions that first and end count from.
RWKU_INLINE float Exponentials(int64_t first, int64_t end, float* scores) {
  const float lowest = -__builtin_inff();
  const int64_t begin = first / kLanes * kLanes;
  for (int64_t i = begin; i < first; ++i) {
    scores[i] = lowest;
  }
  for (int64_t i = end; i < RoundUp(end, kLanes); ++i) {
    scores[i] = lowest;
  }
  Wide best = SplatWide(lowest);
  for (int64_t i = begin; i < end; i += kLanes) {
    for (int p = 0; p < kParts; ++p) {
      best.part[p] = Max(best.part[p], Load(scores + i + p * kWidth));
    }
  }
  const float max = MaxLanes(best);
  Wide total = SplatWide(0);
  for (int64_t i = begin; i < end; i += kLanes) {
    for (int p = 0; p < kParts; ++p) {
      const Vec e = Exp(Load(scores + i + p * kWidth) - max);
      Store(scores + i + p * kWidth, e);
      total.part[p] += e;
    }
  }
  return SumLanes(total);
}

// sums[r][d] += weights[r][i] * values[i][d] for i < count, in order. Rows of sums and of values
// are `width` apart, a multiple of kLanes.
template <int kRows>
RWKU_INLINE void AddValues(const float* weights, int64_t weights_stride, int64_t count,
                           const float* values, int64_t width, float* sums) {
  if (count <= 0) {
    return;
  }
  int64_t first = 0;
  const auto run = [&]<int kCount>() RWKU_INLINE_LAMBDA {
    Vec tile[kRows][kCount * kParts];
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kCount * kParts; ++v) {
        tile[r][v] = Load(sums + r * width + first + v * kWidth);
      }
    }
    AddProducts(
        weights, weights_stride, count,
        [&](int64_t i, int v)
            RWKU_INLINE_LAMBDA { return Load(values + i * width + first + v * kWidth); },
        tile);
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kCount * kParts; ++v) {
        Store(sums + r * width + first + v * kWidth, tile[r][v]);
      }
    }
    first += kCount * kLanes;
  };
  constexpr int kCount = BlocksOfTile(kRows);
  while (first + kCount * kLanes <= width) {
    run.template operator()<kCount>();
  }
  while (first < width) {
    run.template operator()<1>();
  }
}

// kRows queries share what is loaded of keys and values. Each has its own range of positions: what
// lies outside takes no part, whoever else wants it.
template <int kRows>
RWKU_INLINE void AttendTile(const AttentionQuery* queries, const float* keys, const float* values,
                            int64_t head_dim, float scale, float* scratch) {
  int64_t begin = queries[0].first;
  int64_t end = queries[0].end;
  int64_t common_begin = begin;
  int64_t common_end = end;
  for (int r = 1; r < kRows; ++r) {
    begin = queries[r].first < begin ? queries[r].first : begin;
    end = queries[r].end > end ? queries[r].end : end;
    common_begin = queries[r].first > common_begin ? queries[r].first : common_begin;
    common_end = queries[r].end < common_end ? queries[r].end : common_end;
  }
  begin = begin / kLanes * kLanes;
  const int64_t stride = RoundUp(end, kLanes) - begin;
  const int64_t width = RoundUp(head_dim, kLanes);
  float* const q = scratch;
  float* const sums = q + kRows * width;
  float* const scores = sums + kRows * width;
  for (int r = 0; r < kRows; ++r) {
    __builtin_memcpy(q + r * head_dim, queries[r].q, static_cast<size_t>(head_dim) * sizeof(float));
  }
  ScorePositions<kRows>(q, keys, begin, begin + stride, head_dim, scale, scores, stride);
  float inverse[kRows];
  for (int r = 0; r < kRows; ++r) {
    inverse[r] =
        1.0F / Exponentials(queries[r].first - begin, queries[r].end - begin, scores + r * stride);
  }
  __builtin_memset(sums, 0, static_cast<size_t>(kRows * width) * sizeof(float));
  // In the order of positions: what a query has before the common ones, those, what it has after.
  const bool has_common = common_begin < common_end;
  const auto add_alone = [&](int r, int64_t from, int64_t to) {
    AddValues<1>(scores + r * stride + from - begin, stride, to - from, values + from * width,
                 width, sums + r * width);
  };
  for (int r = 0; r < kRows; ++r) {
    add_alone(r, queries[r].first, has_common ? common_begin : queries[r].end);
  }
  if (has_common) {
    AddValues<kRows>(scores + common_begin - begin, stride, common_end - common_begin,
                     values + common_begin * width, width, sums);
    for (int r = 0; r < kRows; ++r) {
      add_alone(r, common_end, queries[r].end);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int64_t d = 0; d < head_dim; d += kWidth) {
      StorePart(queries[r].out + d, Load(sums + r * width + d) * inverse[r], head_dim - d);
    }
  }
}

void Attend(const AttentionQuery* queries, int64_t count, const float* keys, const float* values,
            int64_t head_dim, float scale, float* scratch) {
  for (int64_t first = 0; first < count; first += kTileRows) {
    WithRows(count - first < kTileRows ? count - first : kTileRows, [&]<int kRows>() {
      AttendTile<kRows>(queries + first, keys, values, head_dim, scale, scratch);
    });
  }
}

}  // namespace
}  // namespace rwku::engine
// NOLINTEND(google-build-namespaces,misc-definitions-in-headers)
