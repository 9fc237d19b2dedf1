// Watching a run to its end, for `watch`, `submit --watch` and `retry` in local mode.
#pragma once

#include <string>

#include "client/cli/session.h"

namespace rwku::cli {

// Shows the run "runs/{run}" until it is terminal and returns the exit code of its end: a block
// redrawn in place on a terminal, one line a change elsewhere, nothing with --quiet, one JSON
// object an event with --output json.
int WatchToEnd(Session& session, const std::string& run);

}  // namespace rwku::cli
