#include "worker/engine/cuda/logit_statistics.h"

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include "worker/engine/cuda/launch.h"

namespace rwku::engine {

LogitStatistics SummarizeLogits(const at::Tensor& logits) {
  TORCH_CHECK(logits.dim() == 2 && logits.size(1) > 0 && logits.stride(1) == 1 &&
                  (logits.scalar_type() == at::kFloat || logits.scalar_type() == at::kBFloat16),
              "SummarizeLogits: logits are ", logits.scalar_type(), " ", logits.sizes(),
              " with strides ", logits.strides(),
              "; float32 or bfloat16 [rows, at least one column], dense within a row, are allowed");
  if (logits.is_cuda()) {
    return cuda::LaunchLogitStatistics(logits);
  }
  return SummarizeLogitsReference(logits);
}

}  // namespace rwku::engine
