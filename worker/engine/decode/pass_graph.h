// A pass through a model that is recorded once and repeated with one launch: a decode step is some
// hundred small kernels, which a host launches more slowly than a GPU runs them.
#pragma once

#include <functional>
#include <memory>

#include <ATen/core/Tensor.h>

namespace rwku::engine {

// One pass. Throws torch's exceptions. Not thread-safe.
class PassGraph {
 public:
  virtual ~PassGraph() = default;

  // Runs `pass`, or repeats what it did at the first call. It must always work on the same tensors
  // in the same way, read nothing back and return what it leaves in tensors that it made: these
  // hold the results of the newest call. Returns the result of the first call.
  virtual const at::Tensor& Run(const std::function<at::Tensor()>& pass) = 0;
};

// A CUDA graph on a CUDA device; elsewhere each call runs the pass.
std::unique_ptr<PassGraph> MakePassGraph(at::Device device);

// For MakePassGraph: of a CUDA device.
std::unique_ptr<PassGraph> MakeCudaPassGraph(at::Device device);

}  // namespace rwku::engine
