// A build without CUDA has no CUDA device to record passes of.
#include "base/check.h"
#include "worker/engine/decode/pass_graph.h"

namespace rwku::engine {

std::unique_ptr<PassGraph> MakeCudaPassGraph(at::Device /*device*/) {
  RWKU_CHECK(!"a CUDA device in a build without CUDA");
  return nullptr;
}

}  // namespace rwku::engine
