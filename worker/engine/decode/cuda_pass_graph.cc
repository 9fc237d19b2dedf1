// Passes as CUDA graphs.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "worker/engine/decode/pass_graph.h"

namespace rwku::engine {

namespace {

class CudaPassGraph final : public PassGraph {
 public:
  explicit CudaPassGraph(at::Device device) : device_(device) {}

  const at::Tensor& Run(const std::function<at::Tensor()>& pass) override {
    const c10::cuda::CUDAGuard guard(device_);
    if (!result_.defined()) {
      Record(pass);
    }
    graph_.replay();
    return result_;
  }

 private:
  void Record(const std::function<at::Tensor()>& pass) {
    // The default stream cannot be recorded. What it has yet to do comes first.
    const c10::cuda::CUDAStream before = c10::cuda::getCurrentCUDAStream(device_.index());
    const c10::cuda::CUDAStream recorded =
        c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device_.index());
    before.synchronize();
    {
      const c10::cuda::CUDAStreamGuard on_stream(recorded);
      // A first run outside: libraries set themselves up in it, which no recording may hold.
      pass();
      recorded.synchronize();
      graph_.capture_begin();
      try {
        result_ = pass();
      } catch (...) {
        graph_.capture_end();
        graph_.reset();
        throw;
      }
      graph_.capture_end();
      recorded.synchronize();
    }
  }

  const at::Device device_;
  at::cuda::CUDAGraph graph_;
  at::Tensor result_;  // in the graph's own memory
};

}  // namespace

std::unique_ptr<PassGraph> MakeCudaPassGraph(at::Device device) {
  return std::make_unique<CudaPassGraph>(device);
}

}  // namespace rwku::engine
