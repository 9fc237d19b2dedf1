#include "client/cli/format.h"

#include <array>
#include <cmath>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rwku::cli {
namespace {

std::string WithoutPrefix(absl::string_view name, absl::string_view prefix) {
  return absl::AsciiStrToLower(absl::StripPrefix(name, prefix));
}

}  // namespace

std::string StateName(v1::RunState state) {
  return WithoutPrefix(v1::RunState_Name(state), "RUN_STATE_");
}

std::string StateName(v1::JobState state) {
  // People call a job that a worker holds "running".
  return state == v1::JOB_STATE_LEASED ? "running"
                                       : WithoutPrefix(v1::JobState_Name(state), "JOB_STATE_");
}

std::string StateName(v1::WorkerState state) {
  return WithoutPrefix(v1::WorkerState_Name(state), "WORKER_STATE_");
}

std::string FailureClassName(v1::FailureClass failure_class) {
  return WithoutPrefix(v1::FailureClass_Name(failure_class), "FAILURE_CLASS_");
}

std::string FailureText(const v1::Failure& failure) {
  return absl::StrCat(FailureClassName(failure.failure_class()), ": ", failure.message());
}

std::string ShortName(absl::string_view resource) {
  const std::vector<absl::string_view> parts = absl::StrSplit(resource, '/');
  if (parts.size() == 2) {
    return std::string(parts[1]);
  }
  if (parts.size() == 4) {
    return absl::StrCat(parts[1], "/", parts[3]);
  }
  return std::string(resource);
}

std::string JobId(absl::string_view resource) {
  const size_t slash = resource.rfind('/');
  return std::string(slash == absl::string_view::npos ? resource : resource.substr(slash + 1));
}

std::string RunResource(absl::string_view typed) {
  return absl::StrCat("runs/", absl::StripPrefix(typed, "runs/"));
}

std::string JobResource(absl::string_view typed) {
  std::vector<absl::string_view> parts =
      absl::StrSplit(absl::StripPrefix(typed, "runs/"), absl::MaxSplits('/', 1));
  if (parts.size() == 1) {
    return RunResource(typed);
  }
  return absl::StrCat("runs/", parts[0], "/jobs/", absl::StripPrefix(parts[1], "jobs/"));
}

std::string WorkerResource(absl::string_view typed) {
  return absl::StrCat("workers/", absl::StripPrefix(typed, "workers/"));
}

std::string FormatDuration(absl::Duration duration) {
  const double seconds = absl::ToDoubleSeconds(duration);
  if (seconds < 9.95) {
    return absl::StrFormat("%.1fs", seconds < 0 ? 0.0 : seconds);
  }
  const int64_t whole = std::llround(seconds);
  if (whole < 60) {
    return absl::StrFormat("%ds", whole);
  }
  if (whole < 3600) {
    return absl::StrFormat("%dm %02ds", whole / 60, whole % 60);
  }
  return absl::StrFormat("%dh %02dm", whole / 3600, whole % 3600 / 60);
}

std::string FormatTime(const google::protobuf::Timestamp& time, absl::TimeZone zone) {
  if (time.seconds() == 0) {
    return "";
  }
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", ToTime(time), zone);
}

std::string FormatBytes(uint64_t bytes) {
  if (bytes == 0) {
    return "";
  }
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto amount = static_cast<double>(bytes);
  size_t unit = 0;
  while (amount >= 1024 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.*f %s", unit == 0 ? 0 : 1, amount, kUnits[unit]);
}

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace rwku::cli
