// Words and figures of the command line: states, times, durations, sizes, names.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "rwku/v1/resources.pb.h"

namespace rwku::cli {

// "running", "succeeded", ...: the value's name without its prefix, in lower case.
std::string StateName(v1::RunState state);
std::string StateName(v1::JobState state);
std::string StateName(v1::WorkerState state);
std::string FailureClassName(v1::FailureClass failure_class);
// "numeric: loss is NaN at step 3".
std::string FailureText(const v1::Failure& failure);

// "runs/r1" -> "r1", "runs/r1/jobs/j2" -> "r1/j2", "workers/w" -> "w"; the form people type.
std::string ShortName(absl::string_view resource);
// "j2" of "runs/r1/jobs/j2".
std::string JobId(absl::string_view resource);
// "r1" or "runs/r1" -> "runs/r1".
std::string RunResource(absl::string_view typed);
// "r1/j2", "r1/jobs/j2" or the full name -> "runs/r1/jobs/j2"; a name without a job is a run's.
std::string JobResource(absl::string_view typed);
std::string WorkerResource(absl::string_view typed);

// "0.4s", "12s", "3m 05s", "2h 07m".
std::string FormatDuration(absl::Duration duration);
// "2026-11-24 02:51:40" in `zone`; "" for an unset time.
std::string FormatTime(const google::protobuf::Timestamp& time, absl::TimeZone zone);
// "12.0 GiB"; "" for 0.
std::string FormatBytes(uint64_t bytes);

absl::Time ToTime(const google::protobuf::Timestamp& time);
absl::Duration ToDuration(const google::protobuf::Duration& duration);

}  // namespace rwku::cli
