// Between the wire's messages and the values of worker/job.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "rwku/v1/prediction.pb.h"
#include "rwku/v1/resources.pb.h"
#include "rwku/v1/worker.pb.h"

#include "worker/job/attempt.h"

namespace rwku::agent {

// INVALID_ARGUMENT names the field that this worker does not understand; UNIMPLEMENTED for a gang.
absl::StatusOr<job::AttemptSpec> ToAttemptSpec(const v1::Assign& assign);

v1::Prediction ToProto(const evaluate::Prediction& prediction);
v1::JobProgress ToProto(const job::Progress& progress);
v1::FailureClass ToProto(job::FailureClass failure_class);
// Without the fields that describe the predictions.
v1::JobResult ToProto(const job::AttemptResult& result);

// Equal messages give equal bytes.
std::string SerializeDeterministically(const v1::Prediction& prediction);

}  // namespace rwku::agent
