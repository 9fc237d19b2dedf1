// The kernels' code, compiled once per instruction set: a file sets RWKU_KERNELS_NAME (a string)
// and RWKU_KERNELS_ACCESSOR (the function that returns the table) and includes this one. Everything
// is local to that file, and no standard header with inline functions is used: the linker must not
// pick a copy built for another processor.
#include "worker/engine/decode/kernels.h"

// Local to each file that includes it, on purpose.
// NOLINTBEGIN(google-build-namespaces,misc-definitions-in-headers)

namespace rwku::engine {

namespace {

using Vec = float __attribute__((vector_size(64)));
using IntVec = int32_t __attribute__((vector_size(64)));

#define RWKU_INLINE inline __attribute__((always_inline))

RWKU_INLINE Vec Load(const float* from) {
  Vec v;
  __builtin_memcpy(&v, from, sizeof(v));
  return v;
}

RWKU_INLINE void Store(float* to, const Vec& v) { __builtin_memcpy(to, &v, sizeof(v)); }

RWKU_INLINE Vec Splat(float value) { return Vec{} + value; }

// The first `count` lanes; the others are `rest`.
RWKU_INLINE Vec LoadPart(const float* from, int64_t count, float rest) {
  Vec v = Splat(rest);
  for (int64_t i = 0; i < count; ++i) {
    v[i] = from[i];
  }
  return v;
}

RWKU_INLINE Vec Max(const Vec& a, const Vec& b) { return a > b ? a : b; }

RWKU_INLINE float SumLanes(const Vec& v) {
  float part[8];
  for (int i = 0; i < 8; ++i) {
    part[i] = v[i] + v[i + 8];
  }
  return ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
}

RWKU_INLINE float MaxLanes(const Vec& v) {
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

constexpr int64_t kVecsPerPanel = kPanelColumns / kLanes;

// kRows rows times kPanels panels. Each output is one chain of additions over the depth.
template <int kRows, int kPanels>
RWKU_INLINE void MultiplyTile(const float* x, int64_t depth, const float* packed, int64_t columns,
                              bool accumulate, float* y, int64_t y_stride) {
  constexpr int kVecs = kPanels * kVecsPerPanel;
  Vec sums[kRows][kVecs] = {};
  for (int64_t i = 0; i < depth; ++i) {
    Vec w[kVecs];
    for (int p = 0; p < kPanels; ++p) {
      const float* const from = packed + (p * depth + i) * kPanelColumns;
      for (int v = 0; v < kVecsPerPanel; ++v) {
        w[p * kVecsPerPanel + v] = Load(from + v * kLanes);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      const float value = x[r * depth + i];
      for (int v = 0; v < kVecs; ++v) {
        sums[r][v] += value * w[v];
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    float* const to = y + r * y_stride;
    for (int v = 0; v < kVecs; ++v) {
      const int64_t begin = v * kLanes;
      if (begin + kLanes <= columns) {
        Store(to + begin, accumulate ? Load(to + begin) + sums[r][v] : sums[r][v]);
      } else {
        for (int64_t c = begin; c < columns; ++c) {
          to[c] = accumulate ? to[c] + sums[r][v][c - begin] : sums[r][v][c - begin];
        }
      }
    }
  }
}

template <int kRows, int kPanels>
void MultiplyRows(const float* x, int64_t depth, const float* packed, int64_t panel_begin,
                  int64_t panel_end, int64_t columns, bool accumulate, float* y, int64_t y_stride) {
  int64_t panel = panel_begin;
  for (; panel + kPanels <= panel_end; panel += kPanels) {
    const int64_t first = panel * kPanelColumns;
    MultiplyTile<kRows, kPanels>(x, depth, packed + first * depth, columns - first, accumulate,
                                 y + first, y_stride);
  }
  for (; panel < panel_end; ++panel) {
    const int64_t first = panel * kPanelColumns;
    MultiplyTile<kRows, 1>(x, depth, packed + first * depth, columns - first, accumulate, y + first,
                           y_stride);
  }
}

constexpr int64_t kRowBlock = 8;

void Multiply(const float* x, int64_t rows, int64_t depth, const float* packed, int64_t panel_begin,
              int64_t panel_end, int64_t columns, bool accumulate, float* y, int64_t y_stride) {
  // Full blocks of rows run panel by panel, so that a panel is read from memory once.
  const int64_t full = rows / kRowBlock * kRowBlock;
  if (full > 0) {
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
      const int64_t first = panel * kPanelColumns;
      for (int64_t row = 0; row < full; row += kRowBlock) {
        MultiplyTile<kRowBlock, 1>(x + row * depth, depth, packed + first * depth, columns - first,
                                   accumulate, y + row * y_stride + first, y_stride);
      }
    }
  }
  // Few rows take several panels at a time, so that there are enough chains in flight.
  const float* const rest = x + full * depth;
  float* const to = y + full * y_stride;
  const auto run = [&](auto rows_function) {
    rows_function(rest, depth, packed, panel_begin, panel_end, columns, accumulate, to, y_stride);
  };
  switch (rows - full) {
    case 1:
      return run(MultiplyRows<1, 4>);
    case 2:
      return run(MultiplyRows<2, 4>);
    case 3:
      return run(MultiplyRows<3, 2>);
    case 4:
      return run(MultiplyRows<4, 2>);
    case 5:
      return run(MultiplyRows<5, 2>);
    case 6:
      return run(MultiplyRows<6, 2>);
    case 7:
      return run(MultiplyRows<7, 1>);
    default:
      return;
  }
}

void RmsNormRows(const float* x, const float* weight, float eps, int64_t rows, int64_t size,
                 float* y) {
  const int64_t full = size / kLanes * kLanes;
  for (int64_t row = 0; row < rows; ++row) {
    const float* const from = x + row * size;
    float* const to = y + row * size;
    Vec squares = {};
    for (int64_t i = 0; i < full; i += kLanes) {
      const Vec v = Load(from + i);
      squares += v * v;
    }
    if (full < size) {
      const Vec v = LoadPart(from + full, size - full, 0);
      squares += v * v;
    }
    const float mean = SumLanes(squares) / static_cast<float>(size);
    const float scale = 1.0F / __builtin_sqrtf(mean + eps);
    for (int64_t i = 0; i < full; i += kLanes) {
      Store(to + i, Load(weight + i) * (Load(from + i) * scale));
    }
    for (int64_t i = full; i < size; ++i) {
      to[i] = weight[i] * (from[i] * scale);
    }
  }
}

// Scores of the positions [begin, end), turned into e^(score - max); returns their sum. Those of
// the blocks at either edge that lie outside are 0.
RWKU_INLINE float ScorePositions(const float* q, const float* keys, int64_t begin, int64_t end,
                                 int64_t head_dim, float scale, float* scores) {
  const int64_t first_block = begin / kLanes * kLanes;
  Vec best = Splat(-__builtin_inff());
  for (int64_t first = first_block; first < end; first += kLanes) {
    const float* const block = keys + first * head_dim;
    Vec sum = {};
    for (int64_t d = 0; d < head_dim; ++d) {
      sum += q[d] * Load(block + d * kLanes);
    }
    sum = sum * scale;
    for (int64_t lane = 0; lane < begin - first; ++lane) {
      sum[lane] = -__builtin_inff();
    }
    for (int64_t lane = end - first; lane < kLanes; ++lane) {
      sum[lane] = -__builtin_inff();
    }
    Store(scores + first, sum);
    best = Max(best, sum);
  }
  const float max = MaxLanes(best);
  Vec total = {};
  for (int64_t first = first_block; first < end; first += kLanes) {
    const Vec e = Exp(Load(scores + first) - max);
    Store(scores + first, e);
    total += e;
  }
  return SumLanes(total);
}

void Attend(const float* q, const float* keys, const float* values, int64_t first, int64_t end,
            int64_t head_dim, float scale, float* scores, float* out) {
  const float total = ScorePositions(q, keys, first, end, head_dim, scale, scores);
  const float inverse = 1.0F / total;
  const int64_t stride = RoundUp(head_dim, kLanes);
  for (int64_t d = 0; d < head_dim; d += kLanes) {
    // Four chains by position modulo four, joined in a fixed order.
    Vec sums[4] = {};
    int64_t position = first;
    for (; position < end && position % 4 != 0; ++position) {
      sums[position % 4] += scores[position] * Load(values + position * stride + d);
    }
    for (; position + 4 <= end; position += 4) {
      for (int chain = 0; chain < 4; ++chain) {
        sums[chain] += scores[position + chain] * Load(values + (position + chain) * stride + d);
      }
    }
    for (; position < end; ++position) {
      sums[position % 4] += scores[position] * Load(values + position * stride + d);
    }
    const Vec sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) * inverse;
    if (d + kLanes <= head_dim) {
      Store(out + d, sum);
    } else {
      for (int64_t i = d; i < head_dim; ++i) {
        out[i] = sum[i - d];
      }
    }
  }
}

void SiluProduct(const float* x, int64_t rows, int64_t size, float* out) {
  const int64_t full = size / kLanes * kLanes;
  const auto product = [](const Vec& gate, const Vec& up) {
    return gate / (1.0F + Exp(-gate)) * up;
  };
  for (int64_t row = 0; row < rows; ++row) {
    const float* const gate = x + row * 2 * size;
    const float* const up = gate + size;
    float* const to = out + row * size;
    for (int64_t i = 0; i < full; i += kLanes) {
      Store(to + i, product(Load(gate + i), Load(up + i)));
    }
    if (full < size) {
      const int64_t count = size - full;
      const Vec v = product(LoadPart(gate + full, count, 0), LoadPart(up + full, count, 0));
      for (int64_t i = 0; i < count; ++i) {
        to[full + i] = v[i];
      }
    }
  }
}

LogitSums SumLogits(const float* logits, int64_t size) {
  const float infinity = __builtin_inff();
  const auto load = [&](int64_t i) {
    return i + kLanes <= size ? Load(logits + i) : LoadPart(logits + i, size - i, -infinity);
  };
  Vec best = Splat(-infinity);
  for (int64_t i = 0; i < size; i += kLanes) {
    best = Max(best, load(i));
  }
  LogitSums sums;
  sums.max = MaxLanes(best);
  Vec total = {};
  Vec first = {};
  Vec second = {};
  for (int64_t i = 0; i < size; i += kLanes) {
    // Below -87 e^d is 0; the bound keeps 0 * infinity out of the sums, and NaN in them.
    const Vec raw = load(i) - sums.max;
    const Vec d = raw < Splat(-88.0F) ? Splat(-88.0F) : raw;
    const Vec e = Exp(d);
    total += e;
    first += e * d;
    second += e * d * d;
  }
  sums.exp = SumLanes(total);
  sums.exp_d = SumLanes(first);
  sums.exp_d_squared = SumLanes(second);
  return sums;
}

int64_t ArgMax(const float* x, int64_t size) {
  const float infinity = __builtin_inff();
  Vec best = Splat(-infinity);
  IntVec best_index = {};
  IntVec index = {};
  for (int i = 0; i < kLanes; ++i) {
    index[i] = i;
  }
  for (int64_t i = 0; i < size; i += kLanes) {
    const Vec v = i + kLanes <= size ? Load(x + i) : LoadPart(x + i, size - i, -infinity);
    const IntVec is_larger = v > best;
    best = is_larger ? v : best;
    best_index = is_larger ? index : best_index;
    index += static_cast<int32_t>(kLanes);
  }
  int lane = 0;
  for (int i = 1; i < kLanes; ++i) {
    if (best[i] > best[lane] || (best[i] == best[lane] && best_index[i] < best_index[lane])) {
      lane = i;
    }
  }
  return best_index[lane];
}

}  // namespace

const Kernels& RWKU_KERNELS_ACCESSOR() {
  static constexpr Kernels kKernels = {RWKU_KERNELS_NAME, Multiply,  RmsNormRows, Attend,
                                       SiluProduct,       SumLogits, ArgMax};
  return kKernels;
}

}  // namespace rwku::engine
// NOLINTEND(google-build-namespaces,misc-definitions-in-headers)
