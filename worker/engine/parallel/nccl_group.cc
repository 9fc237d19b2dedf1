#include <cstdlib>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "worker/engine/parallel/process_group.h"

namespace rwku::engine {
namespace {

// What c10d and NCCL read from the environment as they start; what an operator set stands.
void PrepareEnvironment(const GangPlan& plan) {
  constexpr int kKeep = 0;
  // 2: a watchdog aborts the communicators of a late or failed exchange, and the process lives.
  setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "2", kKeep);
  // The monitor ends a process whose watchdog is late, and would dump what nobody reads.
  setenv("TORCH_NCCL_ENABLE_MONITORING", "0", kKeep);
  setenv("TORCH_NCCL_DUMP_ON_TIMEOUT", "0", kKeep);
  if (!plan.network_interface.empty()) {
    setenv("NCCL_SOCKET_IFNAME", plan.network_interface.c_str(), kKeep);
  }
}

}  // namespace

bool HasNccl() { return true; }

c10::intrusive_ptr<c10d::ProcessGroup> MakeNcclGroup(const c10::intrusive_ptr<c10d::Store>& store,
                                                     const GangPlan& plan, at::Device device) {
  PrepareEnvironment(plan);
  const auto own = c10::make_intrusive<c10d::PrefixStore>("nccl", store);
  const auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = absl::ToChronoMilliseconds(plan.timeout);
  const auto backend =
      c10::make_intrusive<c10d::ProcessGroupNCCL>(own, plan.rank, plan.world_size, options);
  backend->setBoundDeviceId(device);
  auto group = c10::make_intrusive<c10d::ProcessGroup>(own, plan.rank, plan.world_size);
  group->setBackend(at::kCUDA, c10d::ProcessGroup::BackendType::NCCL, backend);
  group->setDefaultBackend(c10d::ProcessGroup::BackendType::NCCL);
  return group;
}

}  // namespace rwku::engine
