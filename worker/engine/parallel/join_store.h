// The first half of joining a gang: a store that all its ranks share, and nobody else.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "worker/engine/engine.h"
#include "worker/engine/parallel/gang_link.h"
#include "worker/engine/parallel/rendezvous.h"
#include "worker/engine/parallel/store_thread.h"

namespace rwku::engine {

// Listens (rank 0) or finds rank 0, registers, and waits for all ranks; from its registration on
// this rank is heard of (GangLink::Beat, as the thread's idle work). Whoever listens at
// plan.rendezvous for a gang of another name or size is left alone: it may be about to go.
// UNAVAILABLE after plan.join_timeout says who was missing or met; otherwise the first error of
// `interrupt`.
absl::StatusOr<std::shared_ptr<GangLink>> JoinStore(const GangPlan& plan,
                                                    const HostPort& rendezvous,
                                                    const std::function<absl::Status()>& interrupt,
                                                    StoreThread& thread);

// How often ranks say that they live.
absl::Duration BeatInterval(const GangPlan& plan);

}  // namespace rwku::engine
