// As much of CUDA as our kernels use, on the host: a launch runs its blocks one after another, each
// thread of a block as a fiber. Names and meanings of what stands outside the namespace are CUDA's.
// Faults are exceptions of Launch: a barrier or a shuffle that not all threads reach, shared memory
// that two threads touch between two barriers, one of them to write, or that is read before it is
// written. Addresses out of bounds are found by AddressSanitizer. Not thread-safe.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>

// NOLINTBEGIN(bugprone-reserved-identifier,google-explicit-constructor,readability-identifier-naming)
#define __global__
#define __device__
#define __launch_bounds__(...)

struct dim3 {
  unsigned x = 1;
};

struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

struct CUstream_st;
using cudaStream_t = CUstream_st*;

namespace rwku::engine::cuda::emulation {

struct Location {
  const char* file = "";
  int line = 0;
};

// A program with a fault: what and where.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// In which order the threads of a block, and blocks of a grid, are run between barriers.
enum class Order { kAscending, kDescending, kShuffled };
void SetOrder(Order order);

// Runs `kernel` for every thread; throws Fault. At most 1,024 threads a block.
void Launch(dim3 grid, dim3 block, const std::function<void()>& kernel);

// For the functions below; of the thread that runs.
struct ThreadState {
  dim3 thread_index;
  dim3 block_index;
  dim3 block_size;
  dim3 grid_size;
};
extern ThreadState current;
// One number a launch's block and stretch between barriers; never the same again.
uint64_t CurrentStretch();
uint64_t CurrentBlock();

[[noreturn]] void Fail(const std::string& what, Location where);
void WaitForBlock(Location where);
// What the lane `lane ^ mask` passes at the same call.
uint64_t Exchange(uint64_t value, int lane_mask, Location where);

// Who touched one element of shared memory since the last barrier, and whether it was written at
// all since the block began.
struct Touches {
  uint64_t block = 0;
  uint64_t write_stretch = 0;
  uint64_t read_stretch = 0;
  unsigned writer = 0;
  unsigned reader = 0;
  bool has_many_readers = false;

  void Write(Location where);
  void Read(Location where);
};

template <typename T, size_t N>
class SharedArray {
 public:
  class Element {
   public:
    Element(SharedArray& array, size_t index, Location where)
        : array_(array), index_(index), where_(where) {}
    Element& operator=(const T& value) {
      array_.touches_[index_].Write(where_);
      array_.values_[index_] = value;
      return *this;
    }
    operator T() const {
      array_.touches_[index_].Read(where_);
      return array_.values_[index_];
    }

   private:
    SharedArray& array_;
    size_t index_;
    Location where_;
  };

  // An operator cannot take where it is called; the conversion of its argument can.
  struct Index {
    template <typename I>
    Index(I i, const char* file = __builtin_FILE(), int line = __builtin_LINE())
        : index(static_cast<size_t>(i)), where{file, line} {}
    size_t index;
    Location where;
  };

  Element operator[](Index at) {
    if (at.index >= N) {
      Fail("index beyond an array of shared memory", at.where);
    }
    return Element(*this, at.index, at.where);
  }

 private:
  T values_[N];
  Touches touches_[N];
};

}  // namespace rwku::engine::cuda::emulation

#define threadIdx (::rwku::engine::cuda::emulation::current.thread_index)
#define blockIdx (::rwku::engine::cuda::emulation::current.block_index)
#define blockDim (::rwku::engine::cuda::emulation::current.block_size)
#define gridDim (::rwku::engine::cuda::emulation::current.grid_size)

inline void __syncthreads(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  ::rwku::engine::cuda::emulation::WaitForBlock({file, line});
}

template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE()) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  if (mask != 0xffffffffU) {
    ::rwku::engine::cuda::emulation::Fail("a shuffle of less than a warp", {file, line});
  }
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = ::rwku::engine::cuda::emulation::Exchange(bits, lane_mask, {file, line});
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

[[noreturn]] inline void __trap(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  ::rwku::engine::cuda::emulation::Fail("trap", {file, line});
}

inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }

struct __nv_bfloat16 {
  uint16_t bits;
};
inline float __bfloat162float(__nv_bfloat16 x) {
  return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16);
}
// To the nearest, of two the even one; NaN to 0x7fff.
inline __nv_bfloat16 __float2bfloat16_rn(float x) {
  if (std::isnan(x)) {
    return {0x7fff};
  }
  const auto bits = std::bit_cast<uint32_t>(x);
  return {static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16)};
}
inline uint16_t __bfloat16_as_ushort(__nv_bfloat16 x) { return x.bits; }
// NOLINTEND(bugprone-reserved-identifier,google-explicit-constructor,readability-identifier-naming)
