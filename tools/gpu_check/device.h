// The device that is checked.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include <ATen/core/Tensor.h>

#include "tools/gpu_check/stage.h"

namespace rwku::gpu_check {

// Loads the CUDA half of libtorch, with which the program need not be linked, and prepares it as
// the engine does: deterministic operators, a fixed cuBLAS workspace. To be called before anything
// else of torch. Returns why there is no GPU; empty: there is one.
std::string PrepareGpu();

// Name, memory and torch's version.
void Describe(at::Device device, Figures& figures);

// Waits until the device has done all that it was given.
void Synchronise(at::Device device);

// Bytes that torch's allocator has given out, now and at most since ResetPeak; 0 on a CPU.
int64_t AllocatedBytes(at::Device device);
int64_t PeakBytes(at::Device device);
void ResetPeak(at::Device device);
// Gives back what torch's allocator keeps for later.
void EmptyCache(at::Device device);

// Seconds since it was made, the device's work included.
class Stopwatch {
 public:
  explicit Stopwatch(at::Device device) : device_(device) { Restart(); }

  double Seconds() const {
    Synchronise(device_);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  void Restart() {
    Synchronise(device_);
    begin_ = std::chrono::steady_clock::now();
  }

 private:
  at::Device device_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace rwku::gpu_check
