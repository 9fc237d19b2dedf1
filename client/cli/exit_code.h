// Exit codes of `rwku`, the same for every command.
#pragma once

#include "absl/status/status.h"
#include "rwku/v1/resources.pb.h"

namespace rwku::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;       // the run failed or was cancelled; any other error
inline constexpr int kExitUsage = 2;        // wrong usage, or an argument that the server refused
inline constexpr int kExitUnreachable = 3;  // no answer from the server
inline constexpr int kExitInterrupted = 130;

int ExitCodeOf(const absl::Status& status);
int ExitCodeOf(v1::RunState state);

}  // namespace rwku::cli
