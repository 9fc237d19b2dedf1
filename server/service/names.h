// Resource names: "runs/{run}", "runs/{run}/jobs/{job}", "workers/{worker}".
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "base/strong_id.h"

namespace rwku::service {

// INVALID_ARGUMENT with a violation of `field` for anything else.
absl::StatusOr<RunId> ParseRunName(absl::string_view name, absl::string_view field);
absl::StatusOr<JobId> ParseJobName(absl::string_view name, absl::string_view field);
absl::StatusOr<WorkerId> ParseWorkerName(absl::string_view name, absl::string_view field);

// Whether `text` can be a worker's id: letters, digits, '.', '_', '-'; 1 to 64 bytes.
bool IsWorkerId(absl::string_view text);

std::string RunName(const RunId& run);
std::string JobName(const JobId& job);
std::string WorkerName(const WorkerId& worker);

// The run of a job's id.
RunId RunOf(const JobId& job);

absl::Status RunNotFound(const RunId& run);
absl::Status JobNotFound(const JobId& job);

}  // namespace rwku::service
