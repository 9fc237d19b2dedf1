#include "worker/engine/decode/pass_graph.h"

namespace rwku::engine {

namespace {

// Where there are no graphs, or nothing to gain from them.
class EveryPass final : public PassGraph {
 public:
  const at::Tensor& Run(const std::function<at::Tensor()>& pass) override {
    result_ = pass();
    return result_;
  }

 private:
  at::Tensor result_;
};

}  // namespace

std::unique_ptr<PassGraph> MakePassGraph(at::Device device) {
  if (device.is_cuda()) {
    return MakeCudaPassGraph(device);
  }
  return std::make_unique<EveryPass>();
}

}  // namespace rwku::engine
