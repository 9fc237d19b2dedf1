// Rotary position embedding of queries and keys, and the place of keys and values in a cache: one
// pass in place of a dozen.
#pragma once

#include <ATen/core/Tensor.h>

namespace rwku::engine {

// What RotateAndAppend works on. Sizes: T tokens, d the dimension of a head (even).
struct RotateAndAppendArgs {
  at::Tensor q;  // [T, heads, d]; rotated in place
  at::Tensor k;  // [T, kv_heads, d]; rotated in place
  at::Tensor v;  // [T, kv_heads, d]
  // The three have one type, float32 or bfloat16. They may be views of one product
  // [T, (heads + 2 kv_heads) d]: heads and dimensions are dense, rows any distance apart.

  at::Tensor positions;  // int64 [T]; rows of `cos` and `sin`
  at::Tensor cos;        // float32 [positions, d / 2], contiguous
  at::Tensor sin;

  // int64 [T]: rows of the arenas. Tokens that share one must be equal, as those that only fill a
  // batch up are.
  at::Tensor slots;
  at::Tensor keys;    // [slots, kv_heads, d] of q's type, contiguous
  at::Tensor values;  // as `keys`
};

// For every token t and pair i of every head of q and k, with c = cos[positions[t]][i] and s alike:
//   x[i], x[d / 2 + i] = x[i] c - x[d / 2 + i] s, x[d / 2 + i] c + x[i] s
// each of c and s, the products and the sum rounded to x's type, as transformers has it. Then
// keys[slots[t]] = k[t] and values[slots[t]] = v[t]. A position or slot beyond its table is an
// error: an exception of the reference, a trap on a CUDA device. There the pass runs on the current
// stream, without synchronisation; elsewhere the reference runs. Throws torch's exceptions.
void RotateAndAppend(const RotateAndAppendArgs& args);

// The same from aten's operators, on any device.
void RotateAndAppendReference(const RotateAndAppendArgs& args);

}  // namespace rwku::engine
