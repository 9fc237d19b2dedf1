// A gang whose ranks are threads of one process: they meet in a table by rendezvous and name.
// Ranks in other processes never come.
#pragma once

#include <memory>

#include "absl/status/statusor.h"

#include "base/cancel.h"
#include "worker/engine/engine.h"

namespace rwku::testing {

// UNAVAILABLE after plan.join_timeout, or the reason of `cancel`. A gang that ends without Abort()
// on a rank goes on for the others.
absl::StatusOr<std::unique_ptr<engine::Gang>> JoinFakeGang(const engine::GangPlan& plan,
                                                           const CancelToken& cancel);

}  // namespace rwku::testing
