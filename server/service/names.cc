#include "server/service/names.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "base/identifier.h"
#include "net/status.h"

namespace rwku::service {
namespace {

absl::Status BadName(absl::string_view name, absl::string_view field, absl::string_view expected) {
  return net::InvalidFields(
      {{std::string(field), absl::StrCat("found \"", name, "\", expected \"", expected, "\"")}});
}

}  // namespace

bool IsWorkerId(absl::string_view text) { return IsIdentifier(text); }

absl::StatusOr<RunId> ParseRunName(absl::string_view name, absl::string_view field) {
  absl::string_view id = name;
  if (!absl::ConsumePrefix(&id, "runs/") || !IsIdentifier(id)) {
    return BadName(name, field, "runs/{run}");
  }
  return RunId(std::string(id));
}

absl::StatusOr<JobId> ParseJobName(absl::string_view name, absl::string_view field) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  if (parts.size() != 4 || parts[0] != "runs" || parts[2] != "jobs" || !IsIdentifier(parts[1]) ||
      !IsIdentifier(parts[3])) {
    return BadName(name, field, "runs/{run}/jobs/{job}");
  }
  return JobId(absl::StrCat(parts[1], "/", parts[3]));
}

absl::StatusOr<WorkerId> ParseWorkerName(absl::string_view name, absl::string_view field) {
  absl::string_view id = name;
  if (!absl::ConsumePrefix(&id, "workers/") || !IsIdentifier(id)) {
    return BadName(name, field, "workers/{worker}");
  }
  return WorkerId(std::string(id));
}

std::string RunName(const RunId& run) { return absl::StrCat("runs/", run.value()); }

std::string JobName(const JobId& job) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(job.value(), absl::MaxSplits('/', 1));
  return absl::StrCat("runs/", parts.first, "/jobs/", parts.second);
}

std::string WorkerName(const WorkerId& worker) { return absl::StrCat("workers/", worker.value()); }

RunId RunOf(const JobId& job) { return RunId(job.value().substr(0, job.value().find('/'))); }

absl::Status RunNotFound(const RunId& run) {
  return absl::NotFoundError(absl::StrCat("there is no run \"", RunName(run), "\""));
}

absl::Status JobNotFound(const JobId& job) {
  return absl::NotFoundError(absl::StrCat("there is no job \"", JobName(job), "\""));
}

}  // namespace rwku::service
