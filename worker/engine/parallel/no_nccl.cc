#include <c10/util/Exception.h>

#include "worker/engine/parallel/process_group.h"

namespace rwku::engine {

bool HasNccl() { return false; }

c10::intrusive_ptr<c10d::ProcessGroup> MakeNcclGroup(
    const c10::intrusive_ptr<c10d::Store>& /*store*/, const GangPlan& /*plan*/,
    at::Device /*device*/) {
  TORCH_CHECK_NOT_IMPLEMENTED(false, "this build has no NCCL");
}

}  // namespace rwku::engine
