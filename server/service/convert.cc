#include "server/service/convert.h"

#include <algorithm>

#include "absl/time/time.h"

#include "base/check.h"
#include "base/log.h"
#include "net/status.h"
#include "server/service/names.h"
#include "server/service/target_groups.h"

namespace rwku::service {
namespace {

void SetTime(absl::Time time, google::protobuf::Timestamp* proto) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  proto->set_seconds(seconds);
  proto->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

// Payloads are our own, written by this server or an older one; one that cannot be read leaves its
// fields empty and is logged.
template <typename Message>
Message Parse(const std::string& payload, absl::string_view what, const std::string& id) {
  Message message;
  if (!message.ParseFromString(payload)) {
    RWKU_LOG(kError, "a stored payload cannot be read").With("payload", what).With("id", id);
    message.Clear();
  }
  return message;
}

}  // namespace

v1::RunState ToProto(scheduler::RunState state) {
  switch (state) {
    case scheduler::RunState::kRunning:
      return v1::RUN_STATE_RUNNING;
    case scheduler::RunState::kSucceeded:
      return v1::RUN_STATE_SUCCEEDED;
    case scheduler::RunState::kFailed:
      return v1::RUN_STATE_FAILED;
    case scheduler::RunState::kCancelled:
      return v1::RUN_STATE_CANCELLED;
  }
  return v1::RUN_STATE_UNSPECIFIED;
}

v1::JobState ToProto(scheduler::JobState state) {
  switch (state) {
    case scheduler::JobState::kQueued:
      return v1::JOB_STATE_QUEUED;
    case scheduler::JobState::kLeased:
      return v1::JOB_STATE_LEASED;
    case scheduler::JobState::kSucceeded:
      return v1::JOB_STATE_SUCCEEDED;
    case scheduler::JobState::kFailed:
      return v1::JOB_STATE_FAILED;
    case scheduler::JobState::kCancelled:
      return v1::JOB_STATE_CANCELLED;
  }
  return v1::JOB_STATE_UNSPECIFIED;
}

v1::FailureClass ToProto(scheduler::FailureClass failure_class) {
  switch (failure_class) {
    case scheduler::FailureClass::kInfrastructure:
      return v1::FAILURE_CLASS_INFRASTRUCTURE;
    case scheduler::FailureClass::kResource:
      return v1::FAILURE_CLASS_RESOURCE;
    case scheduler::FailureClass::kNumeric:
      return v1::FAILURE_CLASS_NUMERIC;
    case scheduler::FailureClass::kInput:
      return v1::FAILURE_CLASS_INPUT;
    case scheduler::FailureClass::kInternal:
      return v1::FAILURE_CLASS_INTERNAL;
  }
  return v1::FAILURE_CLASS_UNSPECIFIED;
}

scheduler::FailureClass FromProto(v1::FailureClass failure_class) {
  switch (failure_class) {
    case v1::FAILURE_CLASS_INFRASTRUCTURE:
      return scheduler::FailureClass::kInfrastructure;
    case v1::FAILURE_CLASS_RESOURCE:
      return scheduler::FailureClass::kResource;
    case v1::FAILURE_CLASS_NUMERIC:
      return scheduler::FailureClass::kNumeric;
    case v1::FAILURE_CLASS_INPUT:
      return scheduler::FailureClass::kInput;
    default:
      return scheduler::FailureClass::kInternal;
  }
}

v1::JobCounts ToProto(const scheduler::JobCounts& counts) {
  v1::JobCounts proto;
  proto.set_queued(counts[scheduler::JobState::kQueued]);
  proto.set_leased(counts[scheduler::JobState::kLeased]);
  proto.set_succeeded(counts[scheduler::JobState::kSucceeded]);
  proto.set_failed(counts[scheduler::JobState::kFailed]);
  proto.set_cancelled(counts[scheduler::JobState::kCancelled]);
  return proto;
}

v1::Run ToProto(const scheduler::RunRecord& run, const scheduler::JobCounts& counts) {
  v1::Run proto;
  proto.set_name(RunName(run.id));
  *proto.mutable_spec() = Parse<v1::RunSpec>(run.payload, "RunSpec", run.id.value());
  proto.set_state(ToProto(run.state));
  SetTime(run.create_time, proto.mutable_create_time());
  if (run.end_time) {
    SetTime(*run.end_time, proto.mutable_end_time());
  }
  *proto.mutable_jobs() = ToProto(counts);
  proto.set_revision(run.revision);
  return proto;
}

v1::Job ToProto(const scheduler::JobRecord& job) {
  v1::Job proto;
  proto.set_name(JobName(job.id));
  auto spec = Parse<v1::JobSpec>(job.payload, "JobSpec", job.id.value());
  proto.set_target(spec.target());
  proto.set_target_number(spec.target_number());
  if (IsGroup(spec)) {
    for (const v1::JobTarget& target : spec.targets()) {
      proto.add_group_targets(target.name());
    }
  }
  *proto.mutable_recipe() = std::move(*spec.mutable_recipe());
  proto.set_seed(spec.seed());
  proto.set_state(ToProto(job.state));
  proto.set_attempts(job.attempts);
  proto.set_failures(job.failures);
  proto.set_fencing_token(job.fencing_token);
  proto.set_worker(job.worker.value());
  for (const WorkerId& worker : job.gang) {
    proto.add_gang(worker.value());
  }
  if (job.last_failure) {
    v1::Failure* failure = proto.mutable_last_failure();
    failure->set_failure_class(ToProto(job.last_failure->failure_class));
    failure->set_message(job.last_failure->message);
    failure->set_worker(job.last_failure->worker.value());
    failure->set_fencing_token(job.last_failure->fencing_token);
  }
  if (job.state == scheduler::JobState::kSucceeded) {
    *proto.mutable_result() = Parse<v1::JobResult>(job.result, "JobResult", job.id.value());
  }
  SetTime(job.create_time, proto.mutable_create_time());
  if (job.start_time) {
    SetTime(*job.start_time, proto.mutable_start_time());
  }
  if (job.end_time) {
    SetTime(*job.end_time, proto.mutable_end_time());
  }
  proto.set_revision(job.revision);
  return proto;
}

v1::Worker ToProto(const scheduler::WorkerView& worker, const coordinator::WorkerInfo* info) {
  v1::Worker proto;
  proto.set_name(WorkerName(worker.id));
  if (!worker.connected) {
    proto.set_state(v1::WORKER_STATE_DISCONNECTED);
  } else if (worker.draining) {
    proto.set_state(v1::WORKER_STATE_DRAINING);
  } else {
    proto.set_state(worker.leases.empty() ? v1::WORKER_STATE_IDLE : v1::WORKER_STATE_BUSY);
  }
  if (!worker.resident_models.empty()) {
    proto.set_resident_model(worker.resident_models.front());
  }
  if (!worker.leases.empty()) {
    proto.set_job(JobName(worker.leases.front().job));
  }
  proto.set_completed_jobs(worker.completed_jobs);
  proto.set_failed_attempts(worker.failed_attempts);
  if (info != nullptr) {
    const auto hello = Parse<v1::Hello>(info->details, "Hello", worker.id.value());
    *proto.mutable_devices() = hello.devices();
    proto.set_version(hello.version());
    SetTime(info->last_heartbeat, proto.mutable_last_heartbeat_time());
  }
  return proto;
}

v1::Run RunOfView(const coordinator::View& view, const scheduler::RunRecord& run) {
  return ToProto(run, view.scheduler.CountJobs(run.id));
}

v1::Lease ToProto(const scheduler::Lease& lease) {
  v1::Lease proto;
  proto.set_job(JobName(lease.job));
  proto.set_fencing_token(lease.fencing_token);
  return proto;
}

absl::StatusOr<scheduler::Lease> FromProto(const v1::Lease& lease) {
  absl::StatusOr<JobId> job = ParseJobName(lease.job(), "lease.job");
  if (!job.ok()) {
    return job.status();
  }
  if (lease.fencing_token() == 0) {
    return net::InvalidFields({{"lease.fencing_token", "found 0, expected at least 1"}});
  }
  return scheduler::Lease{*std::move(job), lease.fencing_token()};
}

}  // namespace rwku::service
