// Records of the scheduler as messages of the wire.
#pragma once

#include <map>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rwku/v1/resources.pb.h"
#include "rwku/v1/unlearning.pb.h"
#include "rwku/v1/worker.pb.h"

#include "server/coordinator/coordinator.h"
#include "server/scheduler/types.h"

namespace rwku::service {

v1::RunState ToProto(scheduler::RunState state);
v1::JobState ToProto(scheduler::JobState state);
v1::FailureClass ToProto(scheduler::FailureClass failure_class);
// Unknown classes are internal.
scheduler::FailureClass FromProto(v1::FailureClass failure_class);

v1::JobCounts ToProto(const scheduler::JobCounts& counts);

// `counts` of the run's jobs.
v1::Run ToProto(const scheduler::RunRecord& run, const scheduler::JobCounts& counts);
v1::Job ToProto(const scheduler::JobRecord& job);
v1::Worker ToProto(const scheduler::WorkerView& worker, const coordinator::WorkerInfo* info);

// A run with its counts as `view` has it; the run exists.
v1::Run RunOfView(const coordinator::View& view, const scheduler::RunRecord& run);

v1::Lease ToProto(const scheduler::Lease& lease);
// Of a lease with a malformed job name, the job is empty: no job has that name.
// INVALID_ARGUMENT for a malformed job name or a lease without a token.
absl::StatusOr<scheduler::Lease> FromProto(const v1::Lease& lease);

}  // namespace rwku::service
