#include "server/scheduler/transition.h"

#include "base/check.h"

namespace rwku::scheduler {

bool IsLegalTransition(JobState from, JobState to) {
  switch (from) {
    case JobState::kQueued:
      return to == JobState::kLeased || to == JobState::kCancelled;
    case JobState::kLeased:
      return to != JobState::kLeased;
    case JobState::kFailed:
      return to == JobState::kQueued;
    case JobState::kSucceeded:
    case JobState::kCancelled:
      return false;
  }
  return false;
}

void Transition(JobRecord& job, JobState to) {
  RWKU_CHECK(IsLegalTransition(job.state, to));
  job.state = to;
}

absl::string_view Name(JobState state) {
  switch (state) {
    case JobState::kQueued:
      return "queued";
    case JobState::kLeased:
      return "leased";
    case JobState::kSucceeded:
      return "succeeded";
    case JobState::kFailed:
      return "failed";
    case JobState::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

absl::string_view Name(RunState state) {
  switch (state) {
    case RunState::kRunning:
      return "running";
    case RunState::kSucceeded:
      return "succeeded";
    case RunState::kFailed:
      return "failed";
    case RunState::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

absl::string_view Name(FailureClass failure_class) {
  switch (failure_class) {
    case FailureClass::kInfrastructure:
      return "infrastructure";
    case FailureClass::kResource:
      return "resource";
    case FailureClass::kNumeric:
      return "numeric";
    case FailureClass::kInput:
      return "input";
    case FailureClass::kInternal:
      return "internal";
  }
  return "unknown";
}

}  // namespace rwku::scheduler
