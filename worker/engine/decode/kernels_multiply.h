// Products with packed weights. Part of kernels_impl.h.
#pragma once

#include "worker/engine/decode/kernels.h"
#include "worker/engine/decode/kernels_vector.h"

// NOLINTBEGIN(google-build-namespaces,misc-definitions-in-headers)
namespace rwku::engine {
namespace {

// Rows that pass a part of a panel together, and the longest such part: it and kTileRows rows of as
// much of x stay in the first-level cache meanwhile.
constexpr int64_t kRowsTogether = 128;
constexpr int64_t kDepthTogether = 256;
constexpr int kPanelVecs = kBlocks * kParts;

// Elements of one line of a panel, which is kPanelColumns weights.
constexpr int64_t LineSize(const float*) { return kPanelColumns; }
constexpr int64_t LineSize(const Bf16Pair*) { return kPanelColumns / 2; }

// The weights of columns v * kWidth to (v + 1) * kWidth - 1 of a line.
RWKU_INLINE Vec LoadWeights(const float* line, int v) { return Load(line + v * kWidth); }

RWKU_INLINE Vec LoadWeights(const Bf16Pair* line, int v) {
  IntVec bits;
  __builtin_memcpy(&bits, line + v % kParts * kWidth, sizeof(bits));
  bits = v < kParts ? bits << 16 : bits & static_cast<int32_t>(0xffff0000U);
  Vec weights;
  __builtin_memcpy(&weights, &bits, sizeof(weights));
  return weights;
}

// Of `columns` columns, those that exist.
template <int kRows, int kVecs>
RWKU_INLINE void WriteTile(const Vec (&sums)[kRows][kVecs], int64_t columns, bool accumulate,
                           float* y, int64_t y_stride) {
  for (int r = 0; r < kRows; ++r) {
    float* const to = y + r * y_stride;
    for (int v = 0; v < kVecs; ++v) {
      const int64_t begin = v * kWidth;
      const int64_t count = columns - begin;
      if (accumulate) {
        StorePart(to + begin, LoadPart(to + begin, count, 0) + sums[r][v], count);
      } else {
        StorePart(to + begin, sums[r][v], count);
      }
    }
  }
}

// kRows rows times kPanels panels.
template <int kRows, int kPanels, typename Element>
RWKU_INLINE void MultiplyPanels(const float* x, int64_t depth, const Element* panels,
                                int64_t columns, bool accumulate, float* y, int64_t y_stride) {
  Vec sums[kRows][kPanels * kPanelVecs] = {};
  AddProducts(
      x, depth, depth,
      [&](int64_t i, int v) RWKU_INLINE_LAMBDA {
        return LoadWeights(panels + (v / kPanelVecs * depth + i) * LineSize(panels),
                           v % kPanelVecs);
      },
      sums);
  WriteTile(sums, columns, accumulate, y, y_stride);
}

// Few rows take several panels at a time, so that there are enough chains in flight; every weight
// is used once.
template <int kRows, typename Element>
void MultiplyFew(const float* x, int64_t depth, const Element* packed, int64_t panel_begin,
                 int64_t panel_end, int64_t columns, bool accumulate, float* y, int64_t y_stride) {
  constexpr int kPanels = BlocksOfTile(kRows) / kBlocks;
  int64_t panel = panel_begin;
  const auto run = [&]<int kCount>() RWKU_INLINE_LAMBDA {
    const int64_t first = panel * kPanelColumns;
    MultiplyPanels<kRows, kCount>(x, depth, packed + panel * depth * LineSize(packed),
                                  columns - first, accumulate, y + first, y_stride);
    panel += kCount;
  };
  while (panel + kPanels <= panel_end) {
    run.template operator()<kPanels>();
  }
  while (panel < panel_end) {
    run.template operator()<1>();
  }
}

// Lines as floats: where they lie, or unpacked into `buffer`.
RWKU_INLINE const float* FloatLines(const float* lines, int64_t, float*) { return lines; }

RWKU_INLINE const float* FloatLines(const Bf16Pair* lines, int64_t count, float* buffer) {
  for (int64_t i = 0; i < count; ++i) {
    for (int v = 0; v < kPanelVecs; ++v) {
      Store(buffer + i * kPanelColumns + v * kWidth, LoadWeights(lines + i * LineSize(lines), v));
    }
  }
  return buffer;
}

// At most kRowsTogether rows. Each part of a panel's depth meets all rows before the next; the sums
// wait in between, which does not change them.
template <typename Element>
void MultiplyMany(const float* x, int64_t rows, int64_t depth, const Element* packed,
                  int64_t panel_begin, int64_t panel_end, int64_t columns, bool accumulate,
                  float* y, int64_t y_stride) {
  constexpr int kVecs = BlocksOfTile(kTileRows) * kParts;
  alignas(64) float buffer[kDepthTogether * kPanelColumns];
  alignas(64) float waiting[kRowsTogether * kPanelColumns];
  const int64_t parts = (depth + kDepthTogether - 1) / kDepthTogether;
  const int64_t step = (depth + parts - 1) / parts;
  constexpr int64_t kPiece = 64 / sizeof(Element);
  const int64_t tiles = (rows + kTileRows - 1) / kTileRows * (kPanelVecs / kVecs);
  for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
    const int64_t first = panel * kPanelColumns;
    for (int64_t begin = 0; begin < depth; begin += step) {
      const bool is_last = depth - begin <= step;
      const int64_t length = is_last ? depth - begin : step;
      const Element* const part = packed + (panel * depth + begin) * LineSize(packed);
      const float* const lines = FloatLines(part, length, buffer);
      // What comes after this part goes to the second-level cache meanwhile, some with every tile.
      const Element* next = part + length * LineSize(packed);
      const int64_t pieces = (length * LineSize(packed) / kPiece + tiles - 1) / tiles;
      const auto run = [&]<int kRows>(int64_t row, int column) RWKU_INLINE_LAMBDA {
        for (int64_t i = 0; i < pieces; ++i, next += kPiece) {
          __builtin_prefetch(next, 0, 2);
        }
        float* const wait = waiting + row * kPanelColumns + column;
        Vec sums[kRows][kVecs] = {};
        if (begin > 0) {
          for (int r = 0; r < kRows; ++r) {
            for (int v = 0; v < kVecs; ++v) {
              sums[r][v] = Load(wait + r * kPanelColumns + v * kWidth);
            }
          }
        }
        AddProducts(
            x + row * depth + begin, depth, length,
            [&](int64_t i, int v) RWKU_INLINE_LAMBDA {
              return Load(lines + i * kPanelColumns + column + v * kWidth);
            },
            sums);
        if (is_last) {
          WriteTile(sums, columns - first - column, accumulate, y + row * y_stride + first + column,
                    y_stride);
          return;
        }
        for (int r = 0; r < kRows; ++r) {
          for (int v = 0; v < kVecs; ++v) {
            Store(wait + r * kPanelColumns + v * kWidth, sums[r][v]);
          }
        }
      };
      for (int column = 0; column < kPanelColumns; column += kVecs * kWidth) {
        int64_t row = 0;
        for (; row + kTileRows <= rows; row += kTileRows) {
          run.template operator()<kTileRows>(row, column);
        }
        WithRows<kTileRows - 1>(rows - row,
                                [&]<int kRows>() { run.template operator()<kRows>(row, column); });
      }
    }
  }
}

// The most rows whose tile takes whole panels.
constexpr int MostFewRows() {
  int rows = kTileRows;
  while (BlocksOfTile(rows) < kBlocks) {
    --rows;
  }
  return rows;
}

template <typename Element>
void Multiply(const float* x, int64_t rows, int64_t depth, const Element* packed,
              int64_t panel_begin, int64_t panel_end, int64_t columns, bool accumulate, float* y,
              int64_t y_stride) {
  if (rows <= MostFewRows()) {
    WithRows<MostFewRows()>(rows, [&]<int kRows>() {
      MultiplyFew<kRows>(x, depth, packed, panel_begin, panel_end, columns, accumulate, y,
                         y_stride);
    });
    return;
  }
  for (int64_t row = 0; row < rows; row += kRowsTogether) {
    const int64_t count = rows - row < kRowsTogether ? rows - row : kRowsTogether;
    MultiplyMany(x + row * depth, count, depth, packed, panel_begin, panel_end, columns, accumulate,
                 y + row * y_stride, y_stride);
  }
}

}  // namespace
}  // namespace rwku::engine
// NOLINTEND(google-build-namespaces,misc-definitions-in-headers)
