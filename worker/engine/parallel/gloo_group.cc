#include <chrono>

#include <c10/util/Exception.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "worker/engine/parallel/process_group.h"

namespace rwku::engine {

c10::intrusive_ptr<c10d::ProcessGroup> MakeGlooGroup(const c10::intrusive_ptr<c10d::Store>& store,
                                                     const GangPlan& plan,
                                                     const HostPort& rendezvous) {
  const auto own = c10::make_intrusive<c10d::PrefixStore>("gloo", store);
  const auto options =
      c10d::ProcessGroupGloo::Options::create(absl::ToChronoMilliseconds(plan.timeout));
  if (plan.network_interface.empty()) {
    const absl::StatusOr<std::string> address = LocalAddressTowards(rendezvous);
    TORCH_CHECK(address.ok(), address.status().message());
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(*address));
  } else {
    options->devices.push_back(
        c10d::ProcessGroupGloo::createDeviceForInterface(plan.network_interface));
  }
  const auto backend =
      c10::make_intrusive<c10d::ProcessGroupGloo>(own, plan.rank, plan.world_size, options);
  auto group = c10::make_intrusive<c10d::ProcessGroup>(own, plan.rank, plan.world_size);
  group->setBackend(at::kCPU, c10d::ProcessGroup::BackendType::GLOO, backend);
  group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
  return group;
}

}  // namespace rwku::engine
