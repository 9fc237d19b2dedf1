// Between the wire's messages and the values of worker/job.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rwku/v1/prediction.pb.h"
#include "rwku/v1/resources.pb.h"
#include "rwku/v1/worker.pb.h"

#include "worker/job/attempt.h"

namespace rwku::agent {

// INVALID_ARGUMENT names the field that this worker does not understand; UNIMPLEMENTED for a gang.
// "runs/r1/jobs/3#2": job and fencing token, for people and as a gang's name.
std::string LeaseText(const v1::Lease& lease);

absl::StatusOr<job::AttemptSpec> ToAttemptSpec(const v1::Assign& assign);

v1::Prediction ToProto(const evaluate::Prediction& prediction);
v1::MemoryPlan ToProto(const engine::MemoryPlan& plan);
v1::JobProgress ToProto(const job::Progress& progress);
v1::FailureClass ToProto(job::FailureClass failure_class);
// At most this many steps of a training curve are kept.
inline constexpr size_t kMaxCurveSteps = 2000;
// Without the fields that describe the predictions. A longer training curve is thinned evenly; its
// first and last steps stay.
v1::JobResult ToProto(const job::AttemptResult& result);

// `text` as a message may carry it: bytes that are not UTF-8 become '?', and what goes beyond 4 KiB
// is cut off.
std::string FailureMessage(absl::string_view text);

// Equal messages give equal bytes.
std::string SerializeDeterministically(const v1::Prediction& prediction);

}  // namespace rwku::agent
