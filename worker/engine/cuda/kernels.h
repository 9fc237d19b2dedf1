// Starts of our kernels over plain device memory: no type of torch, so that the tests run them on
// the host. What they compute is said in mixed_adamw.h, rotate_and_append.h and logit_statistics.h.
// Each puts its kernels on `stream` and returns; a start that fails is cudaGetLastError()'s.
#pragma once

#include <cstdint>

struct CUstream_st;  // cudaStream_t is a pointer to it

namespace rwku::engine::cuda {

enum class NumberType { kFloat32, kBfloat16 };

struct MixedAdamWArguments {
  float* master = nullptr;
  float* m = nullptr;
  float* v = nullptr;
  const void* gradient = nullptr;
  NumberType gradient_type = NumberType::kFloat32;
  void* compute_copy = nullptr;  // or null
  NumberType compute_copy_type = NumberType::kFloat32;
  int64_t size = 0;
  float gradient_scale = 1;
  float kept = 1;  // 1 - learning rate * weight decay
  float one_minus_beta1 = 0;
  float beta2 = 0;
  float one_minus_beta2 = 0;
  float step_size = 0;                // learning rate / (1 - beta1^step)
  float inverse_root_correction = 0;  // 1 / sqrt(1 - beta2^step)
  float epsilon = 0;
};
void StartMixedAdamW(const MixedAdamWArguments& arguments, CUstream_st* stream);

// Number of partial sums of `size` elements; at least 1 for a size above 0.
int64_t SquaredNormPartials(int64_t size);
// Writes the partial sums of x[0..size) to `partials`. size > 0.
void StartPartialSquaredNorms(const void* x, NumberType type, int64_t size, double* partials,
                              CUstream_st* stream);
// *sum = the sum of partials[0..count).
void StartSum(const double* partials, int64_t count, double* sum, CUstream_st* stream);

struct RotateAndAppendArguments {
  NumberType type = NumberType::kFloat32;
  void* q = nullptr;
  void* k = nullptr;
  const void* v = nullptr;
  int64_t q_stride = 0;  // elements from one token to the next
  int64_t k_stride = 0;
  int64_t v_stride = 0;
  const int64_t* positions = nullptr;
  const float* cos = nullptr;  // [table_size, dim / 2]
  const float* sin = nullptr;
  int64_t table_size = 0;
  const int64_t* slots = nullptr;
  void* keys = nullptr;  // [arena_size, kv_heads, dim]
  void* values = nullptr;
  int64_t arena_size = 0;
  int64_t tokens = 0;
  int heads = 0;
  int kv_heads = 0;
  int dim = 0;
};
void StartRotateAndAppend(const RotateAndAppendArguments& arguments, CUstream_st* stream);

// logits [rows, columns] with rows `stride` elements apart -> sums [rows, 4], arg_max [rows].
// columns < 2^30.
void StartSummarizeLogits(const void* logits, NumberType type, int64_t rows, int64_t stride,
                          int columns, float* sums, int64_t* arg_max, CUstream_st* stream);

}  // namespace rwku::engine::cuda
